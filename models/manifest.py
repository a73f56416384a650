"""The bundle's manifest: what a published model is, what it was made of, and the hash of every file.

A bundle is a folder: `manifest.json` beside safetensors weights, vocabularies and the index.
Nothing in it is a pickle; every file is hashed when written and checked when loaded.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from models.errors import BundleError

FORMAT_VERSION = 2
"""2: an index may be of inverted lists, with files beside it, and its record is in the manifest. Bundles of 1 load."""
MANIFEST = "manifest.json"
_CHUNK_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class FileEntry:
    """Size and SHA-256 of one file of the bundle."""

    num_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Everything known of a bundle. `metrics` maps a model name to its metrics: the candidate beside popularity.

    `indexes`: by the path of each vector index, what its build measured (`models/index/record.py`).
    `erasures`: when how many users were taken out of it, which changed its files and their hashes.
    """

    version: str
    created_at: str
    recipe: str
    config: dict[str, Any]
    data: dict[str, Any]
    feature_digest: str
    metrics: dict[str, dict[str, float]]
    files: dict[str, FileEntry] = field(default_factory=dict)
    erasures: list[dict[str, Any]] = field(default_factory=list)
    indexes: dict[str, dict[str, Any]] = field(default_factory=dict)
    format_version: int = FORMAT_VERSION

    def to_json(self) -> bytes:
        """Canonical JSON, keys sorted."""
        return json.dumps(asdict(self), indent=2, sort_keys=True).encode()

    @classmethod
    def from_json(cls, data: bytes) -> Manifest:
        """Parse; `BundleError` when it is not a manifest this code can read."""
        try:
            fields = json.loads(data)
            seen = fields["format_version"]
            if seen not in range(1, FORMAT_VERSION + 1):
                raise BundleError(
                    f"bundle format {seen} is unknown; this Shoal reads up to {FORMAT_VERSION}. Update Shoal."
                )
            fields["files"] = {name: FileEntry(**entry) for name, entry in fields["files"].items()}
            return cls(**fields)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise BundleError(f"{MANIFEST} is unreadable ({error}). Publish the bundle again.") from error


def hash_files(folder: Path) -> dict[str, FileEntry]:
    """Entry of every file in the folder but the manifest, by its path inside the folder."""
    paths = sorted(p for p in folder.rglob("*") if p.is_file() and p.name != MANIFEST)
    return {p.relative_to(folder).as_posix(): _hash(p) for p in paths}


def verify_files(folder: Path, files: Mapping[str, FileEntry]) -> None:
    """Check size and hash of every file; `BundleError` names the first that differs."""
    for name, expected in files.items():
        path = folder / name
        if not path.is_file():
            raise BundleError(f"bundle file {name} is missing. Fetch or publish the bundle again.")
        if _hash(path) != expected:
            raise BundleError(f"bundle file {name} was altered: its hash differs from the manifest. Publish it again.")


def _hash(path: Path) -> FileEntry:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return FileEntry(path.stat().st_size, digest.hexdigest())
