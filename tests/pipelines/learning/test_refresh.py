"""What an incremental run trains on: every pair that the newer split trains on and the older did not, and no other."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from deltalake import DeltaTable
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.delta.lake import Lake
from models.errors import ConfigError, InputError, NotFoundError
from models.events import INTERACTIONS, EventType
from models.exposures import EXPOSURES
from models.tables import Table
from pipelines.learning.data.split import CONTEXT, TRAIN, VALIDATION, Split
from pipelines.learning.impressions.impressions import build
from pipelines.learning.runs.run_folder import FINISHED, write_json
from pipelines.learning.warm.refresh import RefreshSplit, fresh_events, fresh_recommendations, last_run, refresh_split
from pipelines.recipes import load_recipe, to_dict
from tests.pipelines.learning.impression_log import START_US, event, exposure, log

START = datetime(2026, 1, 1, tzinfo=UTC)


def frame(rows: list[tuple[str, str, int]]) -> pl.DataFrame:
    """Clicks of (user, item, µs), whole users, oldest first."""
    schema = {"user_id": pl.String, "item_id": pl.String, "timestamp_us": pl.Int64}
    events = pl.DataFrame(rows, schema=schema, orient="row")
    return events.with_columns(pl.lit(EventType.CLICK.value).alias("event_type")).sort("user_id", "timestamp_us")


def pairs(labelled: pl.DataFrame, label: int = TRAIN) -> set[tuple[str, str]]:
    chosen = labelled.filter(pl.col("label") == label)
    return set(zip(chosen["user_id"], chosen["item_id"], strict=True))


def hashes(rows: list[tuple[str, str, int]]) -> pl.Series:
    return frame(rows).select(pl.struct("user_id", "item_id", "timestamp_us").hash(seed=1).alias("key"))["key"]


SPLITS = [Split("leave_last_out"), Split("none"), Split("time", validation_us=8, test_us=12)]
EVENTS = st.lists(st.tuples(st.sampled_from("uv"), st.sampled_from("abcde"), st.booleans()), max_size=14)


@settings(deadline=None)  # of a busy machine
@given(EVENTS, st.sampled_from(SPLITS), st.integers(0, 14))
def test_nothing_is_trained_on_twice_and_nothing_is_left_out(
    drawn: list[tuple[str, str, bool]], now: Split, moved_us: int
) -> None:
    rows = [(user, item, at) for at, (user, item, _) in enumerate(drawn)]
    fresh = [row for row, (_, _, new) in zip(rows, drawn, strict=True) if new]
    earlier = Split(now.protocol, validation_us=now.validation_us - moved_us, test_us=now.test_us - moved_us)
    before = earlier.label(frame([row for row in rows if row not in fresh]))
    whole = now.label(frame(rows))
    labelled = refresh_split(now, earlier, hashes(fresh)).label(frame(rows))
    assert pairs(labelled) == pairs(whole) - pairs(before)
    assert labelled.drop("label").equals(whole.drop("label"))
    assert not pairs(labelled, VALIDATION) & pairs(before)
    assert pairs(labelled, VALIDATION) == pairs(whole, VALIDATION) - pairs(before)
    others = ~whole["label"].is_in([TRAIN, VALIDATION])
    assert labelled.filter(others).equals(whole.filter(others))


def test_what_was_held_out_before_is_trained_on_when_it_is_no_longer() -> None:
    old = [("u", item, at) for at, item in enumerate("abc")]  # a trains, b validates, c tests
    new = [("u", item, at) for at, item in enumerate("de", start=3)]
    split = refresh_split(Split("leave_last_out"), Split("leave_last_out"), hashes(new))
    assert isinstance(split, RefreshSplit)
    assert pairs(split.label(frame(old + new))) == {("u", "b"), ("u", "c")}


def test_what_a_refitted_run_has_learned_does_not_validate() -> None:
    old = [(user, item, at) for user in "uv" for at, item in enumerate("abcd")]
    split = refresh_split(Split("leave_last_out"), Split("leave_last_out", validation=False), hashes([("u", "e", 9)]))
    labelled = split.label(frame([*old, ("u", "e", 9)]))
    assert pairs(labelled, VALIDATION) == {("u", "d")}  # v's c was trained on; nothing of v is new
    assert not pairs(labelled)


def test_a_recommendation_is_trained_on_once_though_it_be_answered_later() -> None:
    old = [exposure("u", "r1", 0, "ab"), event("u", "a", 1, answers="r1")]
    new = [event("u", "b", 9, answers="r1"), exposure("u", "r2", 10, "cd"), event("u", "d", 11, answers="r2")]
    keys = pl.DataFrame({"user_id": ["u"], "recommendation_id": ["r2"]})
    shown = keys.select(pl.struct("user_id", "recommendation_id").hash(seed=1).alias("key"))["key"]
    split = refresh_split(Split("none"), Split("none"), hashes([("u", "d", START_US + 11_000_000)]), shown)
    (labels,) = build(log(*old, *new), split)["labels"].to_pylist()
    assert labels == [CONTEXT, CONTEXT, TRAIN, TRAIN]


def test_recommendations_are_fresh_by_their_files(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    versions = lake.pinned().versions
    exposures = log(exposure("u", "r1", 0, "ab"), exposure("u", "r2", 1, "ab"))
    columns = {name: exposures[name] for name in EXPOSURES.names if name in exposures.column_names}
    day = pa.array([START.date()] * 2)
    others = {"date": day, "variant": pa.array(["a"] * 2), "propensity": pa.array([1.0] * 2, pa.float32())}
    lake.append(Table.EXPOSURES, pa.table({**columns, **others}))
    assert len(fresh_recommendations(lake.pinned(), versions)) == 2
    assert not len(fresh_recommendations(lake.pinned(), lake.pinned().versions))


def append(lake: Lake, user: str, items: str, days: int = 0) -> dict[str, int]:
    """Append clicks of a user, a minute apart; returns the versions of the lake after it."""
    rows = []
    for n, item in enumerate(items):
        moment = START + timedelta(days=days, minutes=n)
        event = {"interaction_id": f"{user}{days}{n}", "user_id": user, "item_id": item, "timestamp": moment}
        rows.append({**event, "event_type": EventType.CLICK.value, "date": moment.date()})
    columns = {name: [row.get(name) for row in rows] for name in INTERACTIONS.names}
    lake.append(Table.INTERACTIONS, pa.table(columns, schema=INTERACTIONS))
    return lake.pinned().versions


def test_fresh_is_what_was_added_late_or_not(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    versions = append(lake, "u", "abc", days=5)
    append(lake, "u", "de", days=1)  # earlier than all that was there
    append(lake, "v", "f", days=6)
    assert len(fresh_events(lake.pinned(), versions)) == 3


def test_what_was_only_rewritten_is_not_fresh(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    append(lake, "u", "abc")
    versions = append(lake, "v", "de")
    table = DeltaTable(lake.table_uri(Table.INTERACTIONS))
    table.optimize.compact()
    table.delete("user_id = 'v'")
    with pytest.raises(InputError, match="no event that version 1 of its interactions had not"):
        fresh_events(lake.pinned(), versions)
    append(lake, "w", "f", days=1)
    assert len(fresh_events(lake.pinned(), versions)) == 1


def test_after_a_vacuum_new_cannot_be_told_from_old(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    append(lake, "u", "abc")
    versions = append(lake, "v", "de")
    table = DeltaTable(lake.table_uri(Table.INTERACTIONS))
    table.optimize.compact()
    table.vacuum(0, dry_run=False, enforce_retention_duration=False)
    with pytest.raises(ConfigError, match=r"vacuumed, so what is new cannot be told. Train in full"):
        fresh_events(lake.pinned(), versions)


def write_run(uri: str, config: dict[str, Any], lake: Lake, version: int) -> None:
    """What is looked at of a finished run."""
    write_json(uri, "config.json", config)
    write_json(uri, "data.json", {"lake": lake.uri, "versions": {"interactions": version}})
    write_json(uri, "export/x.json", {})
    write_json(uri, FINISHED, {})


def test_the_last_run_is_the_finished_one_on_the_newest_data(tmp_path: Path) -> None:
    lake, recipe = Lake(str(tmp_path / "lake")), load_recipe("two_tower")
    with pytest.raises(NotFoundError, match=r"no run of recipe two_tower.*Train in full first"):
        last_run(str(tmp_path), recipe, lake)
    runs = {"old": (3, True, recipe), "new": (7, True, recipe), "unfinished": (9, False, recipe)}
    runs["wider"] = (9, True, load_recipe("two_tower", ["model.embedding_dim=8"]))
    for name, (version, finished, made_by) in runs.items():
        uri = str(tmp_path / name)
        write_run(uri, to_dict(made_by), lake, version)
        if not finished:
            (tmp_path / name / FINISHED).unlink()
    rates_may_differ = load_recipe("two_tower", ["optimizer.table_learning_rate=0.01"])
    assert last_run(str(tmp_path), rates_may_differ, lake) == str(tmp_path / "new")
    with pytest.raises(NotFoundError, match="on lake elsewhere"):
        last_run(str(tmp_path), recipe, Lake("elsewhere"))


def test_runs_whose_settings_are_gone_are_passed_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lake, recipe = Lake(str(tmp_path / "lake")), load_recipe("two_tower")
    write_run(str(tmp_path / "good"), to_dict(recipe), lake, 3)
    for name, made_by in (("mine", recipe), ("other", load_recipe("als"))):
        write_run(str(tmp_path / name), {**to_dict(made_by), "gone": 1}, lake, 7)
    assert last_run(str(tmp_path), recipe, lake) == str(tmp_path / "good")
    said = capsys.readouterr().err
    assert "run mine is passed over" in said
    assert "run other" not in said
