"""The whole ingest: find and plan; then a table at a time read, count, quarantine the bad, keep what is new."""

from __future__ import annotations

import time

import ray.data

from cluster.commands.console import say
from cluster.delta.lake import Lake
from models.tables import Table
from pipelines.ingestion.datasource import CheckedRows
from pipelines.ingestion.loading import append_new
from pipelines.ingestion.plan import IngestOptions, Plan, make_plan
from pipelines.ingestion.quarantining import good_rows, quarantine
from pipelines.ingestion.splits import split
from pipelines.ingestion.summary import IngestSummary, TableSummary
from pipelines.ingestion.tally import Tally, count
from pipelines.ingestion.upserting import upsert_rows

__all__ = ["IngestOptions", "ingest", "ingest_plan"]


def ingest(source: str, lake: Lake, options: IngestOptions = IngestOptions()) -> IngestSummary:  # noqa: B008 (frozen)
    """Take every good row of `source` into the lake and every bad one into quarantine. Again, it changes nothing.

    Needs a running Ray (`pipelines.session.data_session`). `InputError` before anything is written when the source
    holds no data, lacks a column, or is mapped from columns it does not have.
    """
    return ingest_plan(make_plan(source, options), lake)


def ingest_plan(plan: Plan, lake: Lake) -> IngestSummary:
    """Take what the plan names, as `ingest` does."""
    started = time.monotonic()
    for uri in plan.ignored:
        say(f"ignored: {uri}")
    tables: dict[Table, TableSummary] = {}
    num_unreadable = 0
    for table in (Table.ITEMS, Table.USERS, Table.INTERACTIONS):
        if plan.of(table):
            tables[table], tally = _take(table, plan, lake)
            num_unreadable += tally.num_unreadable_files
    seconds = time.monotonic() - started
    return IngestSummary(tables, len(plan.files), num_unreadable, plan.ignored, seconds)


def _take(table: Table, plan: Plan, lake: Lake) -> tuple[TableSummary, Tally]:
    files = plan.of(table)
    splits = split(files)
    say(f"{table}: reading {len(files)} files ({sum(f.num_bytes for f in files) / 1e6:,.1f} MB)")
    checked = CheckedRows(table, splits, plan.rules)
    rows = ray.data.read_datasource(checked, override_num_blocks=len(splits)).materialize()
    tally = count(rows, splits)
    num_quarantined = quarantine(rows, tally, table, splits, plan.rules.now, lake)
    new = 0
    if tally.num_good:
        say(f"{table}: {tally.num_good:,} good rows, comparing with the lake")
        good = rows.map_batches(good_rows, batch_format="pyarrow", batch_size=None) if tally.num_records else rows
        if table is Table.INTERACTIONS:
            new = append_new(good, tally.days, lake, table)
        else:
            new = upsert_rows(good, tally.num_good, lake, table)
    known = tally.num_good - new
    return TableSummary(tally.num_read, new, known, dict(tally.bad), num_quarantined), tally
