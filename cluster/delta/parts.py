"""Parts: single Parquet files of a Delta table, written and read by many tasks, committed by one (`Lake.commit`).

A part that no commit names is not a piece of the table; Delta's full vacuum removes it.
"""

from __future__ import annotations

import io
import json
import time
import uuid
from dataclasses import dataclass
from datetime import date

import pyarrow as pa
import pyarrow.parquet as pq

from cluster.delta.writing import writing
from cluster.storage import filesystem, is_local, join


@dataclass(frozen=True, slots=True)
class Part:
    """`path` is relative to its table; `day` is its `date` partition, None where a table has none."""

    path: str
    day: date | None
    num_rows: int
    num_bytes: int
    written_ms: int

    @property
    def partition_values(self) -> dict[str, str | None]:
        """As Delta's log writes them."""
        return {} if self.day is None else {"date": self.day.isoformat()}

    @property
    def stats(self) -> str:
        """As Delta's log writes them."""
        return json.dumps({"numRecords": self.num_rows})


def write_part(table_uri: str, rows: pa.Table, day: date | None) -> Part:
    """Write the rows (all of one `day`) as one file of the table at `table_uri`, not committed yet. `LakeError`."""
    name = f"part-{uuid.uuid4().hex}.zstd.parquet"
    path = name if day is None else f"date={day.isoformat()}/{name}"
    data = io.BytesIO()
    # Partition columns are in the path and the log, not in the file.
    pq.write_table(rows if day is None else rows.drop_columns(["date"]), data, compression="zstd")
    fs, target = filesystem(join(table_uri, path))
    with writing(table_uri):
        if is_local(table_uri):
            fs.makedirs(target.rsplit("/", 1)[0], exist_ok=True)
        fs.pipe_file(target, data.getvalue())
    return Part(path, day, rows.num_rows, data.tell(), int(time.time() * 1000))


def read_part(table_uri: str, path: str, columns: list[str]) -> pa.Table:
    """Columns of one part; partition columns are not among them."""
    fs, target = filesystem(join(table_uri, path))
    with fs.open(target, "rb") as file:
        # One thread, no dataset around it: a fifth of the time for the small files that many days make.
        return pq.ParquetFile(file).read(columns, use_threads=False)
