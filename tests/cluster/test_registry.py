"""A bundle appears whole or not at all, and is never served altered."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cluster.registry import Registry
from models.errors import BundleError, NotFoundError
from models.manifest import MANIFEST, Manifest


def manifest(version: str) -> Manifest:
    return Manifest(
        version=version,
        created_at=f"2026-01-01T00:00:00Z-{version}",
        recipe="two_tower",
        config={},
        data={},
        feature_digest="d",
        metrics={"model": {"ndcg@10": 0.2}, "popularity": {"ndcg@10": 0.1}},
    )


@pytest.fixture
def export(tmp_path: Path) -> Path:
    folder = tmp_path / "export"
    folder.mkdir()
    (folder / "weights.bin").write_bytes(b"weights")
    return folder


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(str(tmp_path / "registry"))


def test_publish_promote_rollback(registry: Registry, export: Path) -> None:
    for version in ("v1", "v2", "v3"):
        registry.publish(export, manifest(version))
    assert registry.champion() is None  # publishing alone moves nothing
    registry.promote("v1")
    registry.promote("v2")
    registry.promote("v2")  # again changes nothing
    assert registry.rollback() == "v1"
    assert registry.champion() == "v1"
    with pytest.raises(NotFoundError, match="no champion to roll back to"):
        registry.rollback()
    assert [m.version for m in registry.versions()] == ["v1", "v2", "v3"]
    assert (registry.fetch("v3") / "weights.bin").read_bytes() == b"weights"


def test_one_flipped_byte_is_refused(registry: Registry, export: Path) -> None:
    registry.publish(export, manifest("v1"))
    path = registry.fetch("v1") / "weights.bin"
    data = bytearray(path.read_bytes())
    data[3] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(BundleError, match=r"weights\.bin was altered"):
        registry.promote("v1")
    assert registry.champion() is None


def test_a_missing_file_is_named(registry: Registry, export: Path) -> None:
    registry.publish(export, manifest("v1"))
    (registry.fetch("v1") / "weights.bin").unlink()
    with pytest.raises(BundleError, match=r"weights\.bin is missing"):
        registry.fetch("v1")


def test_a_half_written_bundle_is_invisible(registry: Registry, export: Path, tmp_path: Path) -> None:
    registry.publish(export, manifest("v1"))
    half = tmp_path / "registry" / "bundles" / ".v2.0123"
    half.mkdir()
    (half / "weights.bin").write_bytes(b"wei")
    assert [m.version for m in registry.versions()] == ["v1"]


def test_an_unreadable_bundle_does_not_hide_the_others(registry: Registry, export: Path) -> None:
    for version in ("v1", "v2"):
        registry.publish(export, manifest(version))
    (registry.fetch("v1") / MANIFEST).write_bytes(b"{")
    assert [m.version for m in registry.versions()] == ["v2"]


def test_versions_are_written_once(registry: Registry, export: Path) -> None:
    registry.publish(export, manifest("v1"))
    with pytest.raises(BundleError, match="already published"):
        registry.publish(export, manifest("v1"))


@pytest.mark.parametrize("version", ["../v1", "", ".hidden", "nope"])
def test_an_unknown_version_lists_the_known(registry: Registry, export: Path, version: str) -> None:
    registry.publish(export, manifest("v1"))
    with pytest.raises(NotFoundError, match="Newest: v1"):
        registry.promote(version)


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b'{"format_version": 99}'])
def test_a_broken_manifest_is_a_clear_error(text: bytes) -> None:
    with pytest.raises(BundleError):
        Manifest.from_json(text)


def test_manifest_survives_json(export: Path) -> None:
    first = manifest("v1")
    assert Manifest.from_json(first.to_json()) == first
    assert json.loads(first.to_json())["format_version"] == 2
    assert MANIFEST == "manifest.json"


def test_a_manifest_of_the_first_format_is_read() -> None:
    fields = json.loads(manifest("v1").to_json())
    del fields["indexes"]
    assert Manifest.from_json(json.dumps({**fields, "format_version": 1}).encode()).indexes == {}
    with pytest.raises(BundleError, match="bundle format 3 is unknown; this Shoal reads up to 2"):
        Manifest.from_json(json.dumps({**fields, "format_version": 3}).encode())


def test_s3_registry(s3_endpoint: str, export: Path, tmp_path: Path) -> None:
    registry = Registry("s3://shoal-test/registry", cache=tmp_path / "cache")
    registry.publish(export, manifest("v1"))
    registry.promote("v1")
    assert registry.champion() == "v1"
    assert (registry.fetch("v1") / "weights.bin").read_bytes() == b"weights"
    assert [m.version for m in registry.versions()] == ["v1"]
