"""Vectors of users and items in the online store, as one model made them, for whoever computes with them outside.

The newest of each id, for `VECTOR_LIFE_S` after it was written. In float16 after a division by the largest coordinate:
half the bytes, and an error of at most 2^-11 of that coordinate, whatever the scale of the model.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cluster.online.codec import microseconds
from models.errors import InputError
from models.user_state import EPOCH

VECTOR_LIFE_S = 30 * 86_400
"""How long a vector outlives its last writing: one of a model that nobody has asked for since is of no use."""
MAX_DIM = 2_048
"""Coordinates of a vector, at most: 4 KiB of an id."""

_HEAD = struct.Struct(">QfB")
"""UTC microseconds, the largest coordinate, bytes of the version; then the version and the coordinates."""
_COORDINATES = np.dtype("<f2")


@dataclass(frozen=True, slots=True, eq=False)
class StoredVector:
    """One vector [dim]. That of a user is personal data, and not in the text."""

    vector: NDArray[np.float32] = field(repr=False)
    model_version: str
    updated_at: datetime


@dataclass(frozen=True, slots=True, eq=False)
class VectorBatch:
    """Vectors [len(ids), dim] that one model made as of one moment (UTC); `InputError` for more than `MAX_DIM`."""

    ids: Sequence[str] = field(repr=False)
    vectors: NDArray[np.float32] = field(repr=False)
    model_version: str
    updated_at: datetime

    def __post_init__(self) -> None:
        dim = self.vectors.shape[1]
        if dim > MAX_DIM:
            raise InputError(
                f"vectors of version {self.model_version} have {dim:,} coordinates; the online store keeps "
                f"{MAX_DIM:,}. Write them to the lake alone: --no-store."
            )

    def records(self) -> Iterator[tuple[str, bytes]]:
        """Each id and what is stored of it."""
        version, moment = self.model_version.encode(), microseconds(self.updated_at)
        largest = np.abs(self.vectors).max(axis=1, initial=0.0)
        parts = self.vectors / np.where(largest > 0, largest, 1.0)[:, None]
        rows = parts.astype(_COORDINATES)
        for id_, scale, row in zip(self.ids, largest.tolist(), rows, strict=True):
            yield id_, _HEAD.pack(moment, scale, len(version)) + version + row.tobytes()


class VectorStore(Protocol):
    """Both back ends pass the same suite (`tests/cluster/online/test_vectors.py`).

    Every method raises `StoreError` when the store cannot answer. Writing again is a no-op but for the life.
    """

    def keep_users(self, batch: VectorBatch) -> int:
        """Keep vectors of users; how many. Those of who refuses personalization, of who was erased (the batch may know
        them from before) and of nobody in particular are left out, in the step that writes.
        """

    def keep_items(self, batch: VectorBatch) -> int:
        """Keep vectors of items; how many."""

    def of_users(self, user_ids: Sequence[str]) -> list[StoredVector | None]:
        """In order; None where there is none, or none any more."""

    def of_items(self, item_ids: Sequence[str]) -> list[StoredVector | None]:
        """The same of items."""


def stored(record: bytes | None) -> StoredVector | None:
    """The vector that `VectorBatch.records` wrote; None of None."""
    if record is None:
        return None
    moment, scale, length = _HEAD.unpack_from(record)
    start = _HEAD.size + length
    coordinates = np.frombuffer(record, _COORDINATES, offset=start).astype(np.float32)
    version = record[_HEAD.size : start].decode()
    return StoredVector(coordinates * np.float32(scale), version, EPOCH + timedelta(microseconds=moment))
