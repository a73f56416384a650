"""Random events through HTTP batches, a consumer beside it: the lake holds exactly what was accepted."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from cluster.delta.lake import Lake
from cluster.online.store import open_store
from models.tables import Table
from tests.cluster.consuming.gateway_process import HOST, gateway
from tests.cluster.consuming.random_events import post, random_events, reference
from tests.cluster.consuming.storm import consuming, eventually

pytestmark = pytest.mark.slow

NUM_EVENTS = 20_000


def lake_after(url: str, lake: Lake, num_events: int, within_s: float) -> tuple[pa.Table, pa.Table]:
    """The lake by id, after the events went through, and what it should be."""
    sent = list(random_events(num_events))
    expected = reference(sent)
    with gateway(url) as (port, _), consuming(url, lake):
        assert post(HOST, port, sent) == []
        store = open_store(url)
        eventually(lambda: not any(lag.num_entries for lag in store.log.lags()), within_s)
        store.close()
    kept = lake.read(Table.QUARANTINE)
    assert kept.num_rows == sum(x.status == "rejected" for x in sent) > 0
    assert all(kept["reason"].to_pylist())
    assert all(kept["record"].to_pylist())
    return lake.read(Table.INTERACTIONS).sort_by("interaction_id"), expected


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
def test_the_lake_equals_the_reference(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/online.db" if kind == "sqlite" else request.getfixturevalue("empty_redis_url")
    found, expected = lake_after(url, Lake(str(tmp_path / "lake")), NUM_EVENTS, 60)
    assert found.num_rows == expected.num_rows > 0.85 * NUM_EVENTS
    assert found.equals(expected)
