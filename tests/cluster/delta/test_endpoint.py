"""An S3 endpoint that goes away in mid-commit: the table reads whole before and after, and a retry is exact."""

from __future__ import annotations

import random
import threading
import uuid
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from cluster.delta.lake import AppTransaction, Lake
from cluster.settings import Settings
from models.events import INTERACTIONS
from models.tables import Table
from tests.cluster.delta.frail_endpoint import FrailEndpoint

pytestmark = pytest.mark.slow

NUM_ROWS, NUM_CUTS = 50, 3
START = datetime(2026, 1, 1, tzinfo=UTC)


def batch(number: int) -> pa.Table:
    """Rows of two days, so that a commit is of two files."""
    moments = [START + timedelta(hours=n) for n in range(NUM_ROWS)]
    made = {
        "interaction_id": [f"{number}-{n}" for n in range(NUM_ROWS)],
        "user_id": ["u"] * NUM_ROWS,
        "item_id": ["i"] * NUM_ROWS,
        "event_type": ["click"] * NUM_ROWS,
        "timestamp": moments,
        "date": [moment.date() for moment in moments],
    }
    columns = {name: made.get(name, [None] * NUM_ROWS) for name in INTERACTIONS.names}
    return pa.table(columns, schema=INTERACTIONS)


def test_a_commit_that_is_cut_off_is_there_or_is_not(s3_endpoint: str) -> None:
    frail = FrailEndpoint(s3_endpoint)
    uri = f"s3://shoal-test/{uuid.uuid4().hex}"
    through, beside = (Lake(uri, Settings(s3_endpoint=url)) for url in (frail.url, s3_endpoint))
    assert through.append(Table.INTERACTIONS, batch(0), AppTransaction("writer", 0))
    chance, expected = random.Random(1), ids(0)
    for number in range(1, NUM_CUTS + 1):
        frail.cut_after(chance.randrange(1, 6_000))
        writer = threading.Thread(target=append, args=(through, number))
        writer.start()
        assert frail.was_cut.wait(30)
        assert found(beside) in (expected, expected | ids(number))
        frail.mend()
        writer.join(120)
        assert not writer.is_alive()
        # A writer that was told nothing sends its batch again under the same number.
        beside.append(Table.INTERACTIONS, batch(number), AppTransaction("writer", number))
        expected |= ids(number)
        assert found(beside) == expected
        assert found(through) == expected
    frail.close()


def append(lake: Lake, number: int) -> None:
    with suppress(OSError):
        lake.append(Table.INTERACTIONS, batch(number), AppTransaction("writer", number))


def ids(number: int) -> set[str]:
    return {f"{number}-{n}" for n in range(NUM_ROWS)}


def found(lake: Lake) -> set[str]:
    """Ids of the whole table, none of them twice."""
    read = lake.read(Table.INTERACTIONS)["interaction_id"].to_pylist()
    assert len(set(read)) == len(read)
    return set(read)
