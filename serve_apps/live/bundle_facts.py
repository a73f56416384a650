"""What a bundle's manifest says that is worth watching while it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from models.manifest import Manifest


@dataclass(frozen=True, slots=True)
class BundleFacts:
    """`created_s`: when it was made, seconds since 1970 UTC. `num_bytes`: of its files.

    `recalls`: recall@100 that its build measured, by the path of each vector index; of bundles before 2 there is none.
    """

    version: str
    created_s: float
    num_bytes: int
    recalls: Mapping[str, float]

    @classmethod
    def of(cls, manifest: Manifest) -> BundleFacts:
        """As the manifest has them."""
        return cls(
            manifest.version,
            datetime.fromisoformat(manifest.created_at).timestamp(),
            sum(entry.num_bytes for entry in manifest.files.values()),
            {path: float(record["recall_at_100"]) for path, record in manifest.indexes.items()},
        )


class BundleMeasures(Protocol):
    """Where figures of bundles go."""

    def bundle_loaded(self, facts: BundleFacts) -> None:
        """A replica has taken a bundle into memory."""

    def bundle_gone(self, version: str) -> None:
        """It has let go of it."""


class Unmeasured:
    """`BundleMeasures` of replicas whose bundles another one measures: they are the same."""

    def bundle_loaded(self, facts: BundleFacts) -> None:
        """Nothing to do."""

    def bundle_gone(self, version: str) -> None:
        """Nothing to do."""
