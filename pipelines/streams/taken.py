"""Which files of a source were taken, in one small file beside the lake: `_watch/<hash of the source>.json.gz`.

It is written behind the lake's commits. What a crash leaves out of it is taken again, which changes nothing.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Collection, Iterable

from cluster.delta.lake import Lake
from cluster.storage import Folder, absolute, join
from models.errors import InputError
from pipelines.ingestion.layout import SourceFile

_FOLDER = "_watch"


class TakenFiles:
    """Files by address and stamp: a file that was written again is another one."""

    def __init__(self, lake: Lake, source: str) -> None:
        digest = hashlib.blake2b(absolute(source).encode(), digest_size=16).hexdigest()
        self._folder, self._name = Folder(join(lake.uri, _FOLDER)), f"{digest}.json.gz"
        self._stamps = self._read()

    def __contains__(self, file: SourceFile) -> bool:
        return self._stamps.get(file.uri) == file.stamp

    def add(self, files: Iterable[SourceFile]) -> None:
        """Remember them; durable when it returns."""
        self._stamps |= {file.uri: file.stamp for file in files}
        self._folder.write(self._name, gzip.compress(json.dumps(self._stamps).encode(), mtime=0))

    def forget_all_but(self, uris: Collection[str]) -> None:
        """Drop the files that are gone from the source, so that this does not grow for ever."""
        self._stamps = {uri: stamp for uri, stamp in self._stamps.items() if uri in uris}

    def _read(self) -> dict[str, str]:
        data = self._folder.read(self._name)
        if data is None:
            return {}
        try:
            return {str(uri): str(stamp) for uri, stamp in json.loads(gzip.decompress(data)).items()}
        except (OSError, EOFError, ValueError, AttributeError) as error:
            raise InputError(
                f"{join(self._folder.uri, self._name)} is unreadable: {error}. Remove it: the files of the source are "
                "then read once more, and nothing is added twice."
            ) from error
