"""The bundle that answers: the champion, or the version asked for."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from cluster.registry import Registry
from models.errors import NotFoundError
from models.recommender import Recommender


@lru_cache(maxsize=1)
def recommender_at(registry_uri: str, version: str) -> Recommender:
    """The verified bundle in memory, once a process; each Ray worker loads its own."""
    registry = Registry(registry_uri)
    return Recommender.load(Path(registry.fetch(version)), version, registry.manifest(version).feature_digest)


def chosen_version(registry_uri: str, version: str | None) -> str:
    """`version`, or the champion's; `NotFoundError` when there is none yet."""
    chosen = version or Registry(registry_uri).champion()
    if chosen is None:
        raise NotFoundError(f"no champion in {registry_uri}. Train and publish one: shoal train, shoal publish")
    return chosen
