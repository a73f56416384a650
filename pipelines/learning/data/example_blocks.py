"""One block of encoded users as Parquet, a file a part. A task of its own, which loads no net."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import ray
from numpy.typing import NDArray
from ray.data.block import BlockAccessor

from cluster.storage import Folder, filesystem, is_local, join
from pipelines.learning.data.example_progress import mark_written
from pipelines.learning.data.examples import Block, Expansion


@ray.remote  # type: ignore[untyped-decorator]
def write_task(table: pa.Table, *args: Any) -> dict[str, int]:
    return write_block(BlockAccessor.for_block(table).to_batch_format("numpy"), *args)


def write_block(block: Block, expansions: Mapping[str, Expansion], out: str, number: int) -> dict[str, int]:
    """Write one file a part from a block of encoded users; returns the number of rows of each part that has any."""
    rows = {}
    for name, (task, arguments) in expansions.items():
        num_rows = _write(_tables(task(block, **arguments)), join(out, name), f"part-{number:05}.parquet")
        if num_rows:
            rows[name] = num_rows
    mark_written(Folder(out), number, rows)
    return rows


def _tables(made: Any) -> Iterator[pa.Table]:
    """What an expansion made as tables: columns, or a generator of these."""
    for columns in [made] if isinstance(made, dict) else made:
        yield pa.table({name: _column(values) for name, values in columns.items()})


def _column(values: NDArray[Any]) -> pa.Array:
    """Of [num] numbers or arrays, or of [num, width] numbers."""
    if values.ndim == 2:
        return pa.FixedSizeListArray.from_arrays(values.ravel(), values.shape[1])
    return pa.array(list(values) if values.dtype == object else values)


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
