"""Examples on disk are what training streams: as of just before each event, every event once."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from cluster.delta.lake import Lake
from cluster.storage import Folder
from models.errors import ConfigError, InputError
from models.features import FeatureSpec
from models.tables import Table
from pipelines.examples import main
from pipelines.learning.data.corpus import load_corpus
from pipelines.learning.data.example_blocks import write_block
from pipelines.learning.data.example_files import PARTS, write_examples
from pipelines.learning.data.example_progress import read_written
from pipelines.learning.data.examples import Expansion
from pipelines.learning.data.expansions import expansion_of
from pipelines.learning.data.split import TEST, TRAIN, VALIDATION
from pipelines.learning.impressions.examples import expand_impressions
from pipelines.learning.preparing import prepare
from pipelines.recipes import load_recipe
from tests.pipelines.learning.blocks import lists
from tests.pipelines.learning.checkerboard import SIZE, write_checkerboard
from tests.pipelines.learning.test_ranker_training import NUM_ITEMS, NUM_LISTS, recipe, write_log

PROFILES = FeatureSpec().profiles([{"age": "25"}, {}])
BLOCK = {
    "user_row": np.asarray([4, 7]),
    "profile_rows": PROFILES,
    "item_rows": lists([5, 6, 8, 9], [1, 2]),
    "labels": lists([TRAIN, TRAIN, VALIDATION, TEST], [TRAIN, TRAIN]),
    "timestamps_us": lists([10, 11, 12, 13], [20, 21]),
    "country_rows": lists([0, 3, 3, 3], [0, 0]),
}


def expansions(name: str, length: int) -> dict[str, Expansion]:
    """Of a recipe, by part."""
    return {part: expansion_of(load_recipe(name).model, label, "time", length) for part, label in PARTS.items()}


def test_a_worked_example(tmp_path: Path) -> None:
    rows = {"train": 4, "validation": 1, "test": 1}
    assert write_block(BLOCK, expansions("two_tower", 2), str(tmp_path), 3) == rows
    assert read_written(Folder(str(tmp_path))) == {3: rows}
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
    assert write_block(BLOCK, expansions("sequence", 2), str(tmp_path), 0) == {"train": 2, "validation": 1, "test": 1}
    train = pq.read_table(tmp_path / "train" / "part-00000.parquet").to_pydict()
    assert train == {"items": [[5, 6], [1, 2]], "is_target": [[True, True], [True, True]]}
    test = pq.read_table(tmp_path / "test" / "part-00000.parquet").to_pydict()
    assert (test["item"], test["history"]) == ([9], [[6, 8]])


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
    summary = json.loads((out / "examples.json").read_bytes())
    assert capsys.readouterr().out.endswith(json.dumps(summary, indent=2) + "\n")  # Ray may warn of its workers before
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


def parts_of(out: Path) -> dict[str, bytes]:
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in sorted(out.rglob("*.parquet"))}


@pytest.mark.slow
def test_what_was_interrupted_goes_on(
    ray_session: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lake, out = Lake(str(tmp_path / "lake")), tmp_path / "examples"
    write_checkerboard(lake)
    chosen = load_recipe("two_tower")
    summary = write_examples(chosen, lake, str(out))
    whole = parts_of(out)
    records = sorted((out / "blocks").iterdir())
    kept, lost = records[0], records[1]
    for path in (lost, out / "examples.json"):
        path.unlink()
    [torn] = (out / "train").glob(f"part-{lost.stem}.parquet")
    torn.write_bytes(b"PAR1")
    [untouched] = (out / "train").glob(f"part-{kept.stem}.parquet")
    written_ns = untouched.stat().st_mtime_ns

    again = write_examples(chosen, lake, str(out))
    assert parts_of(out) == whole
    assert again["parts"] == summary["parts"]
    assert untouched.stat().st_mtime_ns == written_ns
    assert f"{len(records) - 1} of {len(records)} blocks were written before" in capsys.readouterr().err
    assert write_examples(chosen, lake, str(out)) == again  # and what is whole is left alone

    with pytest.raises(ConfigError, match="another plan: other recipe"):
        write_examples(load_recipe("two_tower", ["seed=1"]), lake, str(out))
    lake.append(Table.INTERACTIONS, lake.read(Table.INTERACTIONS).slice(0, 1))
    with pytest.raises(ConfigError, match="another plan: other versions"):
        write_examples(chosen, lake, str(out))


@pytest.mark.slow
def test_a_split_that_leaves_nothing_to_train_on_is_refused(ray_session: None, tmp_path: Path) -> None:
    lake, out = Lake(str(tmp_path / "lake")), tmp_path / "examples"
    write_checkerboard(lake)  # all of one day
    with pytest.raises(InputError, match="the training part of the split is empty"):
        write_examples(load_recipe("two_tower", ["split.protocol=time"]), lake, str(out))
    assert not out.exists()


@pytest.mark.slow
def test_a_ranker_of_exposures_has_impressions(ray_session: None, tmp_path: Path) -> None:
    lake, out, chosen = Lake(str(tmp_path / "lake")), tmp_path / "examples", recipe()
    write_log(lake)
    summary = write_examples(chosen, lake, str(out))
    assert sum(part["examples"] for part in summary["parts"].values()) == NUM_LISTS * NUM_ITEMS
    assert summary["contexts"]["fields"] == ["daytime"]
    prepared = prepare(chosen, load_corpus(chosen, lake.pinned()), lake.pinned())
    for name, part in PARTS.items():
        streamed = [
            expand_impressions(block, summary["history_length"], part)
            for block in prepared.encoded.iter_batches(batch_size=None, batch_format="numpy")
        ]
        found = pq.read_table(out / name).to_pydict()
        assert set(found) == {
            "user", "country", "history", "now_us", "context", "item", "position", "targets",
        }  # fmt: skip
        for column, values in found.items():
            expected = np.concatenate([columns[column] for columns in streamed if columns])
            np.testing.assert_array_equal(np.asarray(values), expected, err_msg=column)
