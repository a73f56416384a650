"""One run's troubles on the real thing: a full disk, a net that diverges, resuming; then a run on what is new."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from safetensors.torch import load_file

from cluster.delta.lake import Lake
from models.errors import DiskFullError, DivergenceError, InputError
from models.events import INTERACTIONS, EventType
from models.tables import Table
from pipelines.learning.engine.checkpoint_folders import epochs_whole
from pipelines.learning.runs.changes import change_settings
from pipelines.learning.runs.run_folder import read_json
from pipelines.learning.trainer import train
from pipelines.learning.warm.origin import Origin
from pipelines.recipes import Recipe, load_recipe, to_dict
from tests.pipelines.learning.checkerboard import SIZE, START, item, user, write_checkerboard
from tests.pipelines.learning.failure_log import FailureLog
from tests.small_disk import fill, small_disk

pytestmark = pytest.mark.slow

DIVERGING = ["optimizer.weight_decay=100", "optimizer.dense_learning_rate=100"]
"""Weights grow ten-thousandfold a step."""


def recipe(epochs: int, *overrides: str) -> Recipe:
    small = [
        "model.embedding_dim=16",
        "model.hidden_dim=16",
        "training.batch_size=8",
        "training.min_steps=0",
        "training.num_workers=1",
        "features.word_buckets=64",
        "features.profile_buckets=64",
        "training.patience=0",
        "training.refit=false",
        "features.history_length=50",
        "model.tower=perceptron",
    ]
    return load_recipe("two_tower", [*small, f"training.epochs={epochs}", *overrides])


def resumed_with(uri: str, changed: Recipe) -> Recipe:
    change_settings(uri, to_dict(changed))
    return changed


def append_news(lake: Lake) -> None:
    """Two users come back for an item of the other half each, and a stranger clicks three items, one of them new."""
    clicks = [(user(0), item(1)), (user(1), item(0)), ("stranger", item(3)), ("stranger", "new"), ("stranger", item(5))]
    moments = [START + timedelta(days=1, minutes=n) for n in range(len(clicks))]
    rows = [
        {"interaction_id": f"news-{n}", "user_id": who, "item_id": what, "timestamp": moment, "date": moment.date()}
        for n, ((who, what), moment) in enumerate(zip(clicks, moments, strict=True))
    ]
    clicked = [{**row, "event_type": EventType.CLICK.value} for row in rows]
    columns = {name: [row.get(name) for row in clicked] for name in INTERACTIONS.names}
    lake.append(Table.INTERACTIONS, pa.table(columns, schema=INTERACTIONS))


def test_a_run_comes_through_and_another_goes_on_from_it(ray_session: None, tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "lake"))
    write_checkerboard(lake)
    failures = tmp_path / "failures.txt"
    with small_disk(tmp_path / "runs", 4 << 20) as runs:
        uri, options = str(runs / "mine"), {"run_id": "mine", "callbacks": [FailureLog(failures)]}
        fillers: list[Path] = []

        def fill_once(record: dict[str, Any]) -> None:
            if not fillers:
                fillers.append(fill(runs))

        with pytest.raises(DiskFullError, match="Make room, then: shoal train --resume mine"):
            train(recipe(500), lake, str(runs), on_epoch=fill_once, **options)  # type: ignore[arg-type]
        fillers[0].unlink()
        done = epochs_whole(uri)[0]
        assert done >= 1

        diverging = resumed_with(uri, recipe(done + 2, *DIVERGING))
        with pytest.raises(DivergenceError, match=rf"loss is nan at epoch {done + 1}, step \d+, worker .*rows \d+"):
            train(diverging, lake, str(runs), **options)  # type: ignore[arg-type]
        assert epochs_whole(uri)[0] == done
        assert not failures.exists()  # nothing was tried again

        mine = train(resumed_with(uri, recipe(done + 2)), lake, str(runs), **options)  # type: ignore[arg-type]
        assert [epoch["epoch"] for epoch in mine.epochs] == list(range(1, done + 3))
        assert [change["after_epoch"] for change in read_json(uri, "changes.json")] == [done, done]
        assert (runs / "mine" / "curves.svg").read_bytes().startswith(b"<?xml")
        assert len(list((runs / "mine" / "tensorboard").iterdir())) == done + 2

        with pytest.raises(InputError, match="Ingest what is new first"):
            train(recipe(1), lake, str(runs), run_id="nothing-new", origin=Origin(uri, refresh=True))
        assert not (runs / "nothing-new").exists()
        append_news(lake)
        still = recipe(1, "optimizer.table_learning_rate=0", "optimizer.dense_learning_rate=0")
        refreshed = train(still, lake, str(runs), run_id="refreshed", origin=Origin(uri, refresh=True))

        # New for the two: the click that validated, and the one that tested; what came now tests and the one before it
        # validates. The stranger's first click trains.
        assert refreshed.epochs[0]["samples"] == 2 * 1 + 1
        origin = read_json(refreshed.uri, "origin.json")
        assert (origin["from"], origin["refresh"]) == (uri, True)
        assert origin["items"] == {"carried": SIZE, "new": 1, "gone": 0}
        assert origin["users"] == {"carried": SIZE, "new": 1, "gone": 0}
        before, after = (load_file(f"{run}/export/two_tower.safetensors") for run in (uri, refreshed.uri))
        items = "tables.embedding_bags.item_table.weight"
        assert after[items][:SIZE].equal(before[items])  # "new" comes after "item-…"
