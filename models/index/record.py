"""What a build says of its index: it lies beside it, and in the manifest of the bundle."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from typing import Any

from models.index.config import Kind


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexRecord:
    """`num_bytes`: of the index in memory, shared by the processes of a machine. `build_s`: with all measuring.

    `recall_at_100`: the share of the exact best 100 (all, where items are fewer) that the index finds, over a sample of
    queries. `nprobe`: lists read for a query; `refine`: how many times the asked number are scored again from their
    vectors; both 0 for an exact index.
    """

    kind: Kind
    num_items: int
    dim: int
    num_bytes: int
    recall_at_100: float
    build_s: float
    nprobe: int = 0
    refine: int = 0

    def to_json(self) -> dict[str, Any]:
        """For `json.dumps`."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: bytes) -> IndexRecord:
        """What `to_json` gave; `TypeError` or `ValueError` when it is something else."""
        return cls(**json.loads(data))
