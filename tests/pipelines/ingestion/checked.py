"""The reading half of an ingest without Ray: every split of a source, read and checked in this process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl

from models.tables import Table
from pipelines.ingestion.checking import REASON
from pipelines.ingestion.datasource import CheckedRows
from pipelines.ingestion.plan import IngestOptions, Plan, make_plan
from pipelines.ingestion.splits import split


def plan(source: Path | str, **options: Any) -> Plan:
    return make_plan(str(source), IngestOptions(**options))


def checked(source: Path | str, table: Table = Table.INTERACTIONS, **options: Any) -> pl.DataFrame:
    """Checked rows of one table, good and bad, in the order of the files."""
    made = plan(source, **options)
    tasks = CheckedRows(table, split(made.of(table)), made.rules).get_read_tasks(1)
    return pl.concat([pl.DataFrame(block) for task in tasks for block in task()])


def good(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.filter(pl.col(REASON).is_null())


def reasons(rows: pl.DataFrame) -> list[str]:
    return rows[REASON].drop_nulls().to_list()
