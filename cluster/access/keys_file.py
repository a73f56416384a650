"""The file of hashed API keys: read whole, changed by one process at a time, replaced in one step."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable
from pathlib import Path

from pydantic import ValidationError

from cluster.access.api_keys import KeyList
from models.errors import ConfigError

_MODE = 0o600
Signature = tuple[int, int, int]


def read_keys(path: Path) -> KeyList:
    """The keys of a file; `ConfigError` when it is not there, not readable or not a keys file."""
    try:
        return KeyList.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ConfigError(
            f"the keys file {path} cannot be read ({error.strerror}). Make one: shoal keys add."
        ) from None
    except ValidationError as error:
        wrong = error.errors(include_input=False, include_url=False)[0]  # its input may be a hash, or a key put there
        where = ".".join(str(part) for part in wrong["loc"]) or "the file"
        raise ConfigError(
            f"the keys file {path} is wrong at {where}: {wrong['msg']}. Mend it, or make it anew with shoal keys."
        ) from None


def signature(path: Path) -> Signature | None:
    """What changes when the file does: inode, time and size. None when it is not there."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_mtime_ns, stat.st_size


def change_keys(path: Path, change: Callable[[KeyList], KeyList]) -> KeyList:
    """Apply a change to the file, made when it is not there. Two at once take turns; a reader sees either list."""
    path = path.resolve()  # through a link, which stays one
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.with_name(f".{path.name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            changed = change(read_keys(path) if path.exists() else KeyList())
            _replace(path, changed.model_dump_json(indent=2, exclude_none=True).encode() + b"\n")
            return changed
    except OSError as error:
        raise ConfigError(
            f"the keys file {path} cannot be written ({error.strerror}). "
            "Change it where it comes from, or name another: --file."
        ) from error


def _replace(path: Path, data: bytes) -> None:
    """With the permissions it had, for the server's user may read it by them; a new one is for its owner alone."""
    mode = path.stat().st_mode & 0o777 if path.exists() else _MODE
    aside = path.with_name(f".{path.name}.new")  # one name is enough under the lock
    with open(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _MODE), "wb") as file:
        os.fchmod(file.fileno(), mode)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    aside.replace(path)
