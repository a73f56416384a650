"""Examples on disk are what training streams: as of just before each event, every event once."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from cluster.lake import Lake
from models.errors import ConfigError
from models.features import FeatureSpec
from models.tables import Table
from pipelines.examples import main
from pipelines.learning.data.example_files import write_block, write_examples
from pipelines.learning.data.split import TEST, TRAIN, VALIDATION
from pipelines.recipes import load_recipe
from tests.pipelines.learning.blocks import lists
from tests.pipelines.learning.checkerboard import SIZE, write_checkerboard

PROFILES = FeatureSpec().profiles([{"age": "25"}, {}])
BLOCK = {
    "user_row": np.asarray([4, 7]),
    "profile_rows": PROFILES,
    "item_rows": lists([5, 6, 8, 9], [1, 2]),
    "labels": lists([TRAIN, TRAIN, VALIDATION, TEST], [TRAIN, TRAIN]),
    "timestamps_us": lists([10, 11, 12, 13], [20, 21]),
    "country_rows": lists([0, 3, 3, 3], [0, 0]),
}


def test_a_worked_example(tmp_path: Path) -> None:
    recipe = load_recipe("two_tower", ["features.history_length=2"])
    assert write_block(BLOCK, recipe, "time", str(tmp_path), 3) == {"train": 4, "validation": 1, "test": 1}
    train = pq.read_table(tmp_path / "train" / "part-00003.parquet").to_pydict()
    assert train == {
        "user": [4, 4, 7, 7],
        "country": [0, 3, 0, 0],
        "now_us": [10, 11, 20, 21],
        "item": [5, 6, 1, 2],
        "history": [[-1, -1], [-1, 5], [-1, -1], [-1, 1]],
        "profile": PROFILES[[0, 0, 1, 1]].tolist(),
    }
    test = pq.read_table(tmp_path / "test" / "part-00003.parquet").to_pydict()
    assert (test["item"], test["history"]) == ([9], [[6, 8]])


def test_a_sequence_model_trains_on_whole_sequences(tmp_path: Path) -> None:
    assert write_block(BLOCK, load_recipe("sequence"), "time", str(tmp_path), 0)["train"] == 2
    train = pq.read_table(tmp_path / "train" / "part-00000.parquet").to_pydict()
    assert train == {"items": [[5, 6], [1, 2]], "is_target": [[True, True], [True, True]]}


def test_what_cannot_be_written_is_refused_before_the_lake_is_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="als is fitted"):
        write_examples(load_recipe("als"), Lake(str(tmp_path / "none")), str(tmp_path / "out"))
    (tmp_path / "kept").write_text("mine")
    with pytest.raises(ConfigError, match="not empty"):
        write_examples(load_recipe("two_tower"), Lake(str(tmp_path / "none")), str(tmp_path))


@pytest.mark.slow
def test_histories_are_as_of_each_event(ray_session: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lake, out = Lake(str(tmp_path / "lake")), tmp_path / "examples"
    write_checkerboard(lake)
    assert main(["--lake", lake.uri, "--out", str(out)]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary == json.loads((out / "examples.json").read_bytes())
    num_train = SIZE * (SIZE // 2 - 2)
    assert {name: part["examples"] for name, part in summary["parts"].items()} == {
        "train": num_train, "validation": SIZE, "test": SIZE,
    }  # fmt: skip
    items = pq.read_table(out / "items.parquet")["item_id"].to_pylist()
    users = pq.read_table(out / "users.parquet")["user_id"].to_pylist()
    events = lake.read(Table.INTERACTIONS, ["user_id", "item_id", "timestamp"])
    events = events.append_column("us", pc.cast(events["timestamp"], "int64")).sort_by("us").to_pylist()
    assert min(event["timestamp"] for event in events) >= datetime(2026, 1, 1, tzinfo=UTC)
    seen = set()
    for part in ("train", "validation", "test"):
        for row in pq.read_table(out / part).to_pylist():
            user = users[row["user"]]
            before = [event["item_id"] for event in events if event["user_id"] == user and event["us"] < row["now_us"]]
            assert [items[at] for at in row["history"] if at >= 0] == before[-50:]
            now = [event for event in events if event["user_id"] == user and event["us"] == row["now_us"]]
            assert [event["item_id"] for event in now] == [items[row["item"]]]
            seen.add((user, row["now_us"]))
    assert len(seen) == len(events)
