"""Files that are still being written are left until they are whole."""

from __future__ import annotations

from collections.abc import Sequence

from pipelines.ingestion.layout import SourceFile


class Settling:
    """A file is whole when it has content and has not changed for `settle_s`, by its own time or since it was seen.

    An object of S3 is whole as soon as it is there.
    """

    def __init__(self, settle_s: float) -> None:
        self._settle_s = settle_s
        self._since: dict[str, tuple[str, float]] = {}

    def whole(self, files: Sequence[SourceFile], now_s: float) -> list[SourceFile]:
        """Those of the files that are whole at `now_s`, in order."""
        self._since = {
            file.uri: seen if (seen := self._since.get(file.uri)) and seen[0] == file.stamp else (file.stamp, now_s)
            for file in files
        }
        return [file for file in files if file.num_bytes and self._is_whole(file, now_s)]

    def _is_whole(self, file: SourceFile, now_s: float) -> bool:
        if file.modified_s is None:
            return True
        return now_s - min(file.modified_s, self._since[file.uri][1]) >= self._settle_s
