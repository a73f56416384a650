"""Whether anything in a log comes after anything: what a sequence model needs."""

from __future__ import annotations

import pyarrow as pa
import ray
from ray.data import Dataset
from ray.data.block import BlockAccessor

from pipelines.learning.data.windows import training_sequences


def any_targets(encoded: Dataset) -> bool:
    """True when some user has a training event with a known one before it. Stops at the first such block."""
    return any(ray.get(_has_targets.remote(block)) for block in encoded.to_arrow_refs())


@ray.remote(num_cpus=0.1)  # type: ignore[untyped-decorator]
def _has_targets(block: pa.Table) -> bool:
    sequences = training_sequences(BlockAccessor.for_block(block).to_numpy())
    return any(is_target[1:].any() for is_target in sequences["is_target"])
