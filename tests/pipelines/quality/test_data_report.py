"""The report on lakes with known faults, its thresholds, and the retraining that stops at them."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from cluster.delta.lake import Lake
from cluster.registry import Registry
from cluster.sqlite.store import SqliteStore
from models.errors import ConfigError, InputError
from models.events import UNTIMED_DATE
from models.tables import TABLES, Table
from pipelines.data import main
from pipelines.quality.checks import check_data
from pipelines.quality.report import measure
from pipelines.quality.thresholds import Breach, Thresholds, breaches, with_limits
from pipelines.recipes import load_recipe
from pipelines.retraining.retraining import retrain

pytestmark = pytest.mark.slow

NUM_DAYS, EVENTS_A_DAY, USERS, ITEMS = 28, 200, 50, 20
NOW = datetime.now(UTC)
LAST = NOW.date() - timedelta(1)
Change = Callable[[pl.DataFrame], pl.DataFrame]


def world() -> pl.DataFrame:
    """Four weeks that end yesterday, every day alike: items of unequal popularity, two countries, a device for half."""
    n = pl.int_range(NUM_DAYS * EVENTS_A_DAY, eager=True).alias("n").to_frame()
    of_day = pl.col("n") % EVENTS_A_DAY
    start = datetime(LAST.year, LAST.month, LAST.day, tzinfo=UTC) - timedelta(NUM_DAYS - 1)
    moment = pl.lit(start) + pl.duration(days=pl.col("n") // EVENTS_A_DAY, seconds=of_day * 60)
    return n.select(
        pl.format("e{}", "n").alias("interaction_id"),
        pl.format("u{}", of_day % USERS).alias("user_id"),
        pl.format("i{}", (of_day % ITEMS) * (of_day % 7) % ITEMS).alias("item_id"),
        pl.when(of_day % 4 == 0).then(pl.lit("click")).otherwise(pl.lit("view")).alias("event_type"),
        moment.dt.cast_time_unit("us").alias("timestamp"),
        pl.when(of_day % 3 == 0).then(pl.lit("NL")).otherwise(pl.lit("DE")).alias("country"),
        pl.when(of_day % 2 == 0).then(pl.lit("phone")).alias("device"),
        moment.dt.date().alias("date"),
    )


def append(lake: Lake, table: Table, frame: pl.DataFrame) -> None:
    schema = TABLES[table].schema
    nulls = [pl.lit(None).alias(name) for name in schema.names if name not in frame.columns]
    lake.append(table, frame.with_columns(nulls).select(schema.names).to_arrow().cast(schema))


def filled(lake: Lake, change: Change = lambda events: events) -> Lake:
    append(lake, Table.INTERACTIONS, change(world()))
    now = pl.lit(NOW).cast(pl.Datetime("us", "UTC")).alias("updated_at")
    append(lake, Table.ITEMS, pl.DataFrame({"item_id": [f"i{n}" for n in range(ITEMS)]}).with_columns(now))
    append(lake, Table.USERS, pl.DataFrame({"user_id": [f"u{n}" for n in range(USERS)]}).with_columns(now))
    return lake


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


def test_a_sound_lake_passes_and_its_numbers_are_right(lake: Lake) -> None:
    report = measure(filled(lake), now=NOW)
    assert report is not None
    assert breaches(report.figures, Thresholds()) == []
    assert (report.num_events, report.num_users) == (NUM_DAYS * EVENTS_A_DAY, USERS)
    assert report.weeks == {"last_week": 7 * EVENTS_A_DAY, "this_week": 7 * EVENTS_A_DAY}
    assert {kind: num for day, kind, num in report.by_day if day == report.last_day} == {"click": 50, "view": 150}
    assert report.nulls["device"] == {"all": 0.5, "last_week": 0.5, "this_week": 0.5}
    assert report.nulls["session_id"]["all"] == 1.0
    assert report.per_user == dict.fromkeys(("mean", "p50", "p90", "p99", "max"), NUM_DAYS * EVENTS_A_DAY / USERS)
    assert report.sampled == {"users": 1, "items": 1, "ids": 1, "repeats": 1}
    assert report.tables["items"] == report.tables["items"] | {"rows": ITEMS, "files": 1, "version": 0}
    known = {name: value for name, value in report.figures.items() if value not in (0.0, 1.0)}
    assert known.keys() == {"late"}
    assert known["late"] == pytest.approx((NUM_DAYS - 1) / NUM_DAYS)


def last(days: int) -> pl.Expr:
    """True for the events of the newest days."""
    return pl.col("date") > LAST - timedelta(days)


def setting(name: str, value: pl.Expr, days: int = 7) -> Change:
    """A fault that gives the column another value in the newest days."""
    return lambda events: events.with_columns(pl.when(last(days)).then(value).otherwise(pl.col(name)).alias(name))


def again(num: int, suffix: str = "") -> Change:
    """The first events a second time, under ids that end in the suffix."""
    return lambda events: pl.concat([events, events.head(num).with_columns(pl.col("interaction_id") + pl.lit(suffix))])


FAULTS: dict[str, tuple[Change, float]] = {
    "duplicates": (again(280), 280 / 5_880),
    "repeats": (again(2_800, "x"), 1 / 3),
    "unknown_items": (setting("item_id", pl.lit("new"), 14), 0.5),
    "future": (setting("timestamp", pl.col("timestamp") + timedelta(days=9)), 0.25),
    "null_change": (lambda e: e.with_columns(pl.when(~last(7)).then(pl.lit("x")).alias("session_id")), 1.0),
    "drift_types": (setting("event_type", pl.lit("like")), 1.0),
    "drift_countries": (setting("country", pl.lit("FR")), 1.0),
    "drift_popularity": (setting("item_id", pl.lit("i19")), 0.5),
}


@pytest.mark.parametrize("fault", list(FAULTS))
def test_each_fault_is_seen_and_stops_the_training(lake: Lake, fault: str) -> None:
    change, at_least = FAULTS[fault]
    report = measure(filled(lake, change), now=NOW)
    assert report is not None
    found = {breach.figure: breach for breach in breaches(report.figures, Thresholds())}
    assert fault in found
    assert found[fault].value >= at_least - 1e-9
    told = rf"nothing was trained(.|\n)*  {fault} is [\d.]+, at most [\d.]+ may be: \w+"
    with pytest.raises(InputError, match=told):
        check_data(lake.pinned(), Thresholds())
    check_data(lake.pinned(), Thresholds(**dict.fromkeys(Thresholds.__slots__)))


def test_a_source_that_stopped_is_seen(lake: Lake) -> None:
    """A week of 7,000 events, then one of 1,400."""
    more = [world().filter(~last(7)).with_columns(pl.col("interaction_id") + pl.lit(f"-{n}")) for n in range(5)]
    report = measure(filled(lake, lambda events: pl.concat([events, *more])), now=NOW)
    assert report is not None
    assert report.figures["volume"] == pytest.approx(1 / 6)
    assert "volume" in {breach.figure for breach in breaches(report.figures, Thresholds())}


def test_weeks_of_few_events_are_not_compared(lake: Lake) -> None:
    report = measure(filled(lake, lambda e: e.filter(~last(7) | (pl.col("user_id") == "u1"))), now=NOW)
    assert report is not None
    weekly = ("volume", "null_change", "drift_types", "drift_countries", "drift_popularity")
    assert {report.figures[name] for name in weekly} == {None}


def test_quarantine_is_counted_by_reason_and_judged_by_what_came_lately(lake: Lake) -> None:
    rows = [
        {"quarantine_id": f"{n}", "table": table, "source_file": "f", "reason": reason, "quarantined_at": moment}
        for n, (table, reason, moment) in enumerate(
            [("interactions", "timestamp: 'x' is not a time", NOW)] * 2_000
            + [("interactions", "rating: 'y' is not a number", NOW - timedelta(days=30))] * 9
            + [("items", "json: line holds a list", NOW)]
        )
    ]
    append(filled(lake), Table.QUARANTINE, pl.DataFrame(rows).cast({"quarantined_at": pl.Datetime("us", "UTC")}))
    report = measure(lake, now=NOW)
    assert report is not None
    assert report.quarantine == {"interactions: timestamp": 2_000, "interactions: rating": 9, "items: json": 1}
    assert report.figures["quarantined"] == pytest.approx(2_000 / 7_600)


def test_a_lake_without_catalogue_times_or_events(lake: Lake) -> None:
    assert measure(lake) is None
    check_data(lake, Thresholds())
    untimed = world().with_columns(timestamp=pl.lit(None, pl.Datetime("us", "UTC")), date=pl.lit(UNTIMED_DATE))
    append(lake, Table.INTERACTIONS, untimed.unique(["user_id", "item_id", "event_type"]))
    report = measure(lake)
    assert report is not None
    assert report.nulls["timestamp"]["all"] == 1.0
    assert (report.figures["unknown_items"], report.figures["late"], report.figures["volume"]) == (None, 0.0, None)
    assert breaches(report.figures, Thresholds()) == []


def test_the_command_prints_writes_and_fails(lake: Lake, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    filled(lake)
    out = tmp_path / "report"
    assert main(["report", "--lake", lake.uri, "--out", str(out)]) == 0
    shown = capsys.readouterr().out
    assert "null                       all   last week   this week" in shown
    assert "volume                  1.0000        >= 0.3" in shown
    body = json.loads((out / "report.json").read_text())
    assert (body["num_events"], body["past_thresholds"], body["versions"]["items"]) == (5_600, [], 0)
    picture = (out / "report.svg").read_text()
    assert picture.startswith("<?xml")
    assert "events a day" in picture
    assert main(["report", "--lake", lake.uri, "--fail-on", "late=0.5", "--fail-on", "volume=1.5", "--json"]) == 1
    told = capsys.readouterr()
    assert json.loads(told.out)["figures"]["volume"] == 1.0
    assert "volume is 1, at least 1.5 may be: look for a source that has stopped" in told.err
    assert main(["report", "--lake", str(tmp_path / "none")]) == 2
    assert main(["report", "--lake", lake.uri, "--days", "7", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["num_events"] == 7 * EVENTS_A_DAY


@pytest.mark.parametrize("given", ["late", "late=-1", "late=nan", "late=x", "lateness=1"])
def test_a_threshold_that_makes_no_sense_is_refused(given: str) -> None:
    with pytest.raises(ConfigError):
        with_limits([given])


def test_thresholds_are_set_by_name() -> None:
    limits = with_limits(["late=0.5", "future=none"])
    assert (limits.late, limits.future, limits.duplicates) == (0.5, None, Thresholds().duplicates)
    figures = dict.fromkeys(Thresholds.__slots__) | {"late": 0.6, "future": 1.0, "volume": 0.1}
    assert breaches(figures, limits) == [Breach("late", 0.6, 0.5), Breach("volume", 0.1, 0.3)]


def test_a_retraining_on_unsound_data_stops_before_it_trains(lake: Lake, tmp_path: Path) -> None:
    filled(lake, FAULTS["future"][0])
    store = SqliteStore(str(tmp_path / "online.db"))
    runs = tmp_path / "runs"
    with pytest.raises(InputError, match=r"future is 0.25, at most 0.01 may be: mend the clock"):
        retrain(lake, store, Registry(str(tmp_path / "registry")), str(runs), retrieval=load_recipe("als"), ranker=None)
    store.close()
    assert not runs.exists()
