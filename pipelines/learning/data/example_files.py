"""Examples as Parquet: what training streams, written down for other programs.

Each block of encoded sequences is one task, which writes a file a part and holds a few users at a time.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import ray
from numpy.typing import NDArray
from ray.data.block import BlockAccessor

from cluster.console import progress, say
from cluster.lake import Lake
from cluster.storage import Folder, filesystem, is_local, join
from models.errors import ConfigError
from models.model_config import FitConfig, SequenceConfig
from pipelines.learning.data.corpus import Corpus, load_corpus
from pipelines.learning.data.encoding import encoded_sequences, order_of
from pipelines.learning.data.examples import Block, Order, expanded
from pipelines.learning.data.split import TEST, TRAIN, VALIDATION
from pipelines.learning.data.windows import training_sequences
from pipelines.learning.scaling import scaled
from pipelines.recipes import Recipe

PARTS = {"train": TRAIN, "validation": VALIDATION, "test": TEST}
SUMMARY = "examples.json"
"""Written last: a folder without it is not whole."""


def write_examples(recipe: Recipe, lake: Lake, out: str) -> dict[str, Any]:
    """Write `out/train`, `out/validation`, `out/test`, the ids behind the rows, and the summary that is returned.

    `ConfigError` for a folder that is not empty, or a recipe that is fitted on whole histories.
    """
    if isinstance(recipe.model, FitConfig):
        raise ConfigError(f"{recipe.name} is fitted on whole histories and has no examples. Take a net: two_tower.")
    folder = Folder(out)
    if folder.names():
        raise ConfigError(f"{out} is not empty. Give a new folder.")
    started = time.monotonic()
    say(f"{recipe.name}: reading the lake")
    pinned = lake.pinned()
    corpus = load_corpus(recipe, pinned)
    recipe = scaled(recipe, int(corpus.items.counts.sum()), order_of(recipe, corpus))
    order = order_of(recipe, corpus)
    blocks = encoded_sequences(recipe, corpus).to_arrow_refs()
    parts = _write_blocks(blocks, recipe, order, out)
    _write_ids(corpus, folder)
    seconds = time.monotonic() - started
    num_examples = sum(part["examples"] for part in parts.values())
    summary = {
        "recipe": recipe.name,
        "features_digest": recipe.features.digest(),
        "history_length": recipe.features.history_length,
        "order": order,
        "data": corpus.snapshot,
        "parts": parts,
        "seconds": round(seconds, 3),
        "examples_per_s": round(num_examples / seconds, 1),
    }
    folder.write(SUMMARY, json.dumps(summary, indent=2).encode())
    return summary


def write_block(block: Block, recipe: Recipe, order: Order, out: str, number: int) -> dict[str, int]:
    """Write one file a part from a block of encoded sequences; returns the number of rows of each part that has any."""
    written = {}
    for name, part in PARTS.items():
        num_rows = _write(_tables(block, recipe, order, part), join(out, name), f"part-{number:05}.parquet")
        if num_rows:
            written[name] = num_rows
    return written


def _tables(block: Block, recipe: Recipe, order: Order, part: int) -> Iterator[pa.Table]:
    if part == TRAIN and isinstance(recipe.model, SequenceConfig):
        made = training_sequences(block)
        yield pa.table({name: pa.array(list(lists)) for name, lists in made.items()})
        return
    for columns in expanded(block, recipe.features.history_length, order, part):
        yield pa.table({name: _array(np.asarray(values)) for name, values in columns.items()})


def _array(values: NDArray[Any]) -> pa.Array:
    """[num_rows], or [num_rows, width] as lists of a fixed size."""
    if values.ndim == 1:
        return pa.array(values)
    return pa.FixedSizeListArray.from_arrays(values.ravel(), values.shape[1])


def _write(tables: Iterator[pa.Table], folder: str, name: str) -> int:
    """Rows of all tables in one file, row groups as they come; no rows, no file."""
    num_rows = 0
    with ExitStack() as open_files:
        writer = None
        for table in tables:
            if not len(table):
                continue
            if writer is None:
                fs, path = filesystem(join(folder, name))
                if is_local(folder):
                    fs.makedirs(path.rpartition("/")[0], exist_ok=True)
                file = open_files.enter_context(fs.open(path, "wb"))
                writer = open_files.enter_context(pq.ParquetWriter(file, table.schema, compression="zstd"))
            writer.write_table(table)
            num_rows += len(table)
    return num_rows


def _write_blocks(blocks: list[Any], recipe: Recipe, order: Order, out: str) -> dict[str, dict[str, int]]:
    """One task a block; returns examples and files of each part."""
    totals = {name: {"examples": 0, "files": 0} for name in PARTS}
    waiting = [_write_task.remote(block, recipe, order, out, number) for number, block in enumerate(blocks)]
    with progress() as bar:
        shown = bar.add_task("blocks of examples", total=len(waiting))
        while waiting:
            done, waiting = ray.wait(waiting)
            for name, num_rows in ray.get(done[0]).items():
                totals[name]["examples"] += num_rows
                totals[name]["files"] += 1
            bar.advance(shown)
    return totals


@ray.remote  # type: ignore[untyped-decorator]
def _write_task(table: pa.Table, *args: Any) -> dict[str, int]:
    return write_block(BlockAccessor.for_block(table).to_batch_format("numpy"), *args)


def _write_ids(corpus: Corpus, folder: Folder) -> None:
    """Ids in row order; rows of users past the last are shared by those without a training event."""
    for name, ids in (("items", corpus.items.ids), ("users", corpus.users.ids)):
        sink = pa.BufferOutputStream()
        pq.write_table(pa.table({f"{name[:-1]}_id": pa.array(ids, pa.string())}), sink, compression="zstd")
        folder.write(f"{name}.parquet", sink.getvalue().to_pybytes())
