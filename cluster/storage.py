"""Files by address: a local folder or `s3://`, one interface (fsspec). The only home of `s3fs`."""

from __future__ import annotations

import os
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fsspec
import s3fs
from fsspec.implementations.local import LocalFileSystem

from cluster.settings import Settings


def is_local(uri: str) -> bool:
    """True for a plain path or `file://`."""
    return "://" not in uri or uri.startswith("file://")


def filesystem(uri: str, settings: Settings | None = None) -> tuple[fsspec.AbstractFileSystem, str]:
    """The file system behind `uri` and the path inside it."""
    if is_local(uri):
        return LocalFileSystem(), str(Path(uri.removeprefix("file://")).absolute())
    if not uri.startswith("s3://"):
        fs, path = fsspec.core.url_to_fs(uri)
        return fs, str(path)
    endpoint = (settings or Settings()).s3_endpoint or os.environ.get("AWS_ENDPOINT_URL")
    options: dict[str, Any] = {"endpoint_url": endpoint} if endpoint else {}
    return s3fs.S3FileSystem(**options), uri.removeprefix("s3://")


def absolute(uri: str) -> str:
    """An absolute path for a local folder, the address for any other: the same place from every working directory."""
    return filesystem(uri)[1] if is_local(uri) else uri


def delta_options(uri: str, settings: Settings | None = None) -> dict[str, str] | None:
    """Storage options for a Delta table at `uri`; None for a local folder."""
    if is_local(uri):
        return None
    endpoint = (settings or Settings()).s3_endpoint or os.environ.get("AWS_ENDPOINT_URL")
    if not endpoint:
        return {}
    allow_http = "true" if endpoint.startswith("http://") else "false"
    return {"AWS_ENDPOINT_URL": endpoint, "AWS_ALLOW_HTTP": allow_http, "aws_conditional_put": "etag"}


def join(root: str, *parts: str) -> str:
    """`root/part/part`, for paths and addresses alike."""
    return "/".join((root.rstrip("/"), *parts))


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder by address: small whole-file reads and writes that are visible in one step."""

    uri: str

    def read(self, name: str) -> bytes | None:
        """The file's bytes, or None when there is no such file."""
        fs, path = filesystem(join(self.uri, name))
        try:
            return bytes(fs.cat_file(path))
        except FileNotFoundError:
            return None

    def write(self, name: str, data: bytes) -> None:
        """Write the whole file; a reader sees the old bytes or the new ones, never a part."""
        fs, path = filesystem(join(self.uri, name))
        if not is_local(self.uri):
            fs.pipe_file(path, data)  # an S3 PUT is atomic by itself
            return
        target = Path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        aside = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
        with aside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(target)

    def names(self) -> list[str]:
        """Names of the direct children, sorted; empty when the folder does not exist."""
        fs, path = filesystem(self.uri)
        try:
            children = fs.ls(path, detail=False)
        except FileNotFoundError:
            return []
        return sorted(Path(str(child)).name for child in children)

    def files(self) -> list[str]:
        """Paths of all files at any depth, relative to this folder, sorted; empty when it does not exist."""
        fs, path = filesystem(self.uri)
        return sorted(str(found)[len(path.rstrip("/")) + 1 :] for found in fs.find(path))

    def child(self, name: str) -> Folder:
        """The sub-folder `name`."""
        return Folder(join(self.uri, name))

    def upload(self, local: Path, name: str) -> None:
        """Copy one local file to `name`."""
        fs, path = filesystem(join(self.uri, name))
        fs.put_file(str(local), path)

    def download(self, name: str, local: Path) -> None:
        """Copy the file `name` to a local path, whose folder is made."""
        fs, path = filesystem(join(self.uri, name))
        local.parent.mkdir(parents=True, exist_ok=True)
        fs.get_file(path, str(local))
