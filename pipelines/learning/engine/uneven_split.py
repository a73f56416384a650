"""How the stream is divided among workers. Ray Train's own processes load this file, so it loads no net."""

from __future__ import annotations

from typing import Any

from ray.data import Dataset
from ray.train import DataConfig


class UnevenSplit(DataConfig):
    """Streams each example to exactly one worker. Ray Train's own split makes the parts equal by dropping rows."""

    def configure(self, datasets: dict[str, Dataset], world_size: int, *_: Any, **__: Any) -> list[dict[str, Any]]:
        """One iterator a worker; blocks keep their order so that a seed repeats a run."""
        shards: list[dict[str, Any]] = [{} for _ in range(world_size)]
        for name, dataset in datasets.items():
            stream = dataset.copy(dataset)
            stream.context.execution_options.preserve_order = True
            for shard, part in zip(shards, stream.streaming_split(world_size, equal=False), strict=True):
                shard[name] = part
        return shards
