"""The store holds each user's newest events after warming, however the lake is cut into days."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from cluster.delta.lake import Lake
from cluster.online.store import HISTORY_LIMIT, OnlineUser
from cluster.sqlite.store import SqliteStore
from models.catalogue import USERS
from models.events import INTERACTIONS, UNTIMED_DATE, EventType
from models.tables import Table
from models.user_state import HistoryEvent
from pipelines.online.warm import WarmProgress, warm
from pipelines.warm_store import main
from tests.cluster.online.store_suite import event, logged

START = datetime(2025, 3, 1, tzinfo=UTC)
NUM_DAYS = 9
EVENTS_A_DAY = 40


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipelines.online.warm.CHUNK_ROWS", 100)


@pytest.fixture
def store(tmp_path: Path) -> SqliteStore:
    return SqliteStore(str(tmp_path / "online.db"))


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(str(tmp_path / "lake"))
    users = [
        {"user_id": "ann", "country": "NL", "updated_at": START},
        {"user_id": "bob", "country": None, "updated_at": START},
        {"user_id": "cyd", "country": "BE", "updated_at": START},
        {"user_id": "eve", "country": None, "attributes": '{"age": 25, "name": null}', "updated_at": START},
    ]
    lake.append(Table.USERS, pa.Table.from_pylist(users, USERS))
    rows = [_row("hide", "ann", "hide", START)]
    for day in range(NUM_DAYS):
        for n in range(EVENTS_A_DAY):
            moment = START + timedelta(days=day, minutes=1 + (n * 7) % EVENTS_A_DAY)
            rows.append(_row(f"{day}-{n}", "ann", "click", moment))
    rows += [
        _row("first", "bob", "view", START, "DE"),
        _row("later", "bob", "like", START + timedelta(days=3), "FR"),
    ]
    rows.append({**_row("untimed", "dan", "click", START), "timestamp": None, "date": UNTIMED_DATE})
    lake.append(Table.INTERACTIONS, pa.Table.from_pylist(rows, INTERACTIONS))
    return lake


def _row(name: str, user: str, kind: str, moment: datetime, country: str | None = None) -> dict[str, object]:
    return {
        "interaction_id": name,
        "user_id": user,
        "item_id": f"item-{name}",
        "event_type": kind,
        "timestamp": moment,
        "country": country,
        "date": moment.date(),
    }


def test_every_user_has_the_newest_events_and_a_country(store: SqliteStore, lake: Lake) -> None:
    seen: list[WarmProgress] = []
    num_rows = NUM_DAYS * EVENTS_A_DAY + 4
    for _ in range(2):
        assert warm(lake, store, on_batch=seen.append) == num_rows
        ann, bob, cyd, dan = store.users(["ann", "bob", "cyd", "dan"])
        clicks = [e for e in ann.history if e.event_type is EventType.CLICK]
        assert ann.history[0].item_id == "item-hide"
        assert len(clicks) == HISTORY_LIMIT
        oldest = START + timedelta(days=NUM_DAYS - HISTORY_LIMIT // EVENTS_A_DAY, minutes=1)
        assert clicks[0].timestamp_us == int(oldest.timestamp()) * 1_000_000
        assert clicks == sorted(clicks, key=lambda e: e.timestamp_us)
        assert ann.country == "NL"
        assert ([e.item_id for e in bob.history], bob.country) == (["item-first", "item-later"], "DE")
        assert cyd == OnlineUser((), "BE")
        assert store.users(["eve"]) == [OnlineUser(attributes={"age": "25"})]
        assert dan.history == (HistoryEvent("item-untimed", EventType.CLICK, 0),)
    assert seen[-1] == WarmProgress(num_rows, num_rows)
    assert logged(store) == []


def test_live_events_stay_when_the_store_is_warmed_behind_them(store: SqliteStore, lake: Lake) -> None:
    live = event("live", user="bob", kind=EventType.HIDE, at_s=100 * 86_400)
    store.append([live])
    warm(lake, store)
    assert [e.item_id for e in store.users(["bob"])[0].history] == ["item-first", "item-later", live.item_id]


def test_an_empty_lake_warms_nothing(store: SqliteStore, tmp_path: Path) -> None:
    assert warm(Lake(str(tmp_path / "nothing")), store) == 0


def test_the_command_says_how_much_it_read(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SHOAL_STORE", f"sqlite:///{tmp_path}/online.db")
    assert main(["--lake", lake.uri]) == 0
    assert capsys.readouterr().out == f"warmed from {NUM_DAYS * EVENTS_A_DAY + 4} interactions\n"
