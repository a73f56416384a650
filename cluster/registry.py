"""The registry: published bundles by version, and the alias `champion` that names the one in use.

ROOT/bundles/<version>/manifest.json, …     written aside, visible in one step
ROOT/champion.json                          {"version", "previous": […]}
"""

from __future__ import annotations

import json
import logging
import shutil
import tempfile
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cluster.storage import Folder, filesystem, is_local, join
from models.errors import BundleError, NotFoundError
from models.manifest import MANIFEST, Manifest, hash_files, verify_files

_log = logging.getLogger(__name__)
_ALIAS = "champion.json"
_KEEP_PREVIOUS = 20


@dataclass(frozen=True, slots=True)
class Alias:
    """The champion and those before it, newest last."""

    version: str | None = None
    previous: tuple[str, ...] = ()


class Registry:
    """Bundles under one root, local or S3. Publishing does not move the champion."""

    def __init__(self, uri: str, cache: Path | None = None) -> None:
        self.uri = uri.rstrip("/")
        self._root = Folder(self.uri)
        self._bundles = self._root.child("bundles")
        self._cache = cache or Path(tempfile.gettempdir()) / "shoal-bundles"

    def publish(self, folder: Path, manifest: Manifest) -> str:
        """Copy the folder in as `manifest.version`; the bundle appears whole or not at all."""
        sealed = replace(manifest, files=hash_files(folder))
        if self._bundles.child(sealed.version).read(MANIFEST) is not None:
            raise BundleError(f"version {sealed.version} is already published. Publish under a new version.")
        if is_local(self.uri):
            self._publish_local(folder, sealed)
        else:
            self._publish_remote(folder, sealed)
        return sealed.version

    def versions(self) -> list[Manifest]:
        """Manifests of all published bundles, oldest first."""
        manifests = []
        for name in self._bundles.names():
            data = self._bundles.child(name).read(MANIFEST) if _is_plain_name(name) else None
            if data is None:
                continue  # being written, or no bundle at all
            try:
                manifests.append(Manifest.from_json(data))
            except BundleError as error:
                _log.warning("skipping bundle %s: %s", name, error)
        return sorted(manifests, key=lambda m: (m.created_at, m.version))

    def manifest(self, version: str) -> Manifest:
        """The manifest of one version; `NotFoundError` names the versions there are."""
        data = self._bundles.child(version).read(MANIFEST) if _is_plain_name(version) else None
        if data is None:
            known = ", ".join(m.version for m in self.versions()[-5:]) or "none"
            raise NotFoundError(f"no version {version!r} in {self.uri}. Newest: {known}. See: shoal models")
        return Manifest.from_json(data)

    def folder(self, version: str) -> Folder:
        """Where a bundle lies."""
        return self._bundles.child(version)

    def reseal(self, manifest: Manifest) -> None:
        """Put a manifest in the place of the one of its version; who holds a copy of the old bundle fetches it anew."""
        self._bundles.child(manifest.version).write(MANIFEST, manifest.to_json())
        if not is_local(self.uri):
            shutil.rmtree(self._cache / manifest.version, ignore_errors=True)

    def fetch(self, version: str) -> Path:
        """A local folder holding the verified bundle (downloaded once for a remote registry)."""
        manifest = self.manifest(version)
        if is_local(self.uri):
            folder = Path(filesystem(self._bundles.child(version).uri)[1])
        else:
            folder = self._download(manifest)
        verify_files(folder, manifest.files)
        return folder

    def alias(self) -> Alias:
        """The champion alias as it stands."""
        data = self._root.read(_ALIAS)
        if data is None:
            return Alias()
        fields = json.loads(data)
        return Alias(fields["version"], tuple(fields["previous"]))

    def champion(self) -> str | None:
        """Version in use, or None before the first promotion."""
        return self.alias().version

    def promote(self, version: str) -> None:
        """Verify the bundle, then make it the champion."""
        self.fetch(version)
        alias = self.alias()
        if alias.version == version:
            return
        previous = alias.previous if alias.version is None else (*alias.previous, alias.version)
        self._write_alias(version, previous)

    def rollback(self) -> str:
        """Make the champion before this one the champion again; returns its version."""
        alias = self.alias()
        if not alias.previous:
            raise NotFoundError("no champion to roll back to. Promote a version first: shoal promote VERSION")
        version = alias.previous[-1]
        self.fetch(version)
        self._write_alias(version, alias.previous[:-1])
        return version

    def _write_alias(self, version: str, previous: Sequence[str]) -> None:
        body = {"version": version, "previous": list(previous[-_KEEP_PREVIOUS:])}
        self._root.write(_ALIAS, json.dumps(body).encode())

    def _publish_local(self, folder: Path, manifest: Manifest) -> None:
        target = Path(filesystem(self._bundles.child(manifest.version).uri)[1])
        target.parent.mkdir(parents=True, exist_ok=True)
        aside = target.with_name(f".{target.name}.{uuid.uuid4().hex}")
        shutil.copytree(folder, aside)
        (aside / MANIFEST).write_bytes(manifest.to_json())
        aside.rename(target)

    def _publish_remote(self, folder: Path, manifest: Manifest) -> None:
        """The manifest goes last: without it a half-written bundle is invisible."""
        bundle = self._bundles.child(manifest.version)
        for name in manifest.files:
            bundle.upload(folder / name, name)
        bundle.write(MANIFEST, manifest.to_json())

    def _download(self, manifest: Manifest) -> Path:
        target = self._cache / manifest.version
        if target.exists() and (target / MANIFEST).read_bytes() != manifest.to_json():  # it was sealed anew since
            stale = self._cache / f".{manifest.version}.{uuid.uuid4().hex}"
            target.rename(stale)
            shutil.rmtree(stale)
        if not target.exists():
            aside = self._cache / f".{manifest.version}.{uuid.uuid4().hex}"
            for name in manifest.files:
                (aside / name).parent.mkdir(parents=True, exist_ok=True)
                self._bundles.child(manifest.version).download(name, aside / name)
            (aside / MANIFEST).write_bytes(manifest.to_json())
            if target.exists():  # another replica was faster
                shutil.rmtree(aside)
            else:
                aside.rename(target)
        return target


def _is_plain_name(version: str) -> bool:
    """False for anything that could leave the bundles folder."""
    return bool(version) and not version.startswith(".") and "/" not in version and "\\" not in version


def bundle_uri(registry_uri: str, version: str) -> str:
    """Address of one bundle, for people to read."""
    return join(registry_uri, "bundles", version)
