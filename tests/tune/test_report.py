"""The report of a sweep: a table, the same as data, and a line a trial through its settings."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from ray import tune as ray_tune

from cluster.storage import Folder
from tests.tune.quadratic import SPACE, plan
from tune.axes import axis_of, axis_over, describe
from tune.journal import Trial
from tune.parallel import parallel_svg
from tune.report import write_report

TRIALS = [
    Trial(1, "sweep-000001", {"x": 0.25, "rate": 0.1, "width": 16}, scores={1: 0.1, 2: 0.5, 3: 0.4}, status="finished"),
    Trial(0, "sweep-000000", {"x": 0.75, "rate": 0.01, "width": 8}, scores={1: 0.2}, status="finished", seconds=61.7),
    Trial(3, "sweep-000003", {"x": 0.5, "rate": 1.0, "width": 8}, scores={1: None}, status="finished"),
    Trial(2, "sweep-000002", {"x": 0.1, "rate": 0.5, "width": 8}, status="failed", error="ShoalError: no room"),
]


@pytest.mark.parametrize(
    ("domain", "value", "place"),
    [
        (ray_tune.uniform(0.0, 4.0), 1.0, 0.25),
        (ray_tune.quniform(0.0, 4.0, 0.5), 3.0, 0.75),
        (ray_tune.loguniform(0.01, 1.0), 0.1, 0.5),
        (ray_tune.qloguniform(0.01, 1.0, 0.01), 0.1, 0.5),
        (ray_tune.randint(10, 30), 20, 0.5),
        (ray_tune.choice([32, 64, 96]), 64, 0.5),
        (ray_tune.choice(["dot", "cosine"]), "cosine", 1.0),
        (ray_tune.choice([32]), 32, 0.5),
    ],
)
def test_a_setting_lies_where_its_distribution_puts_it(domain: object, value: object, place: float) -> None:
    assert axis_of(domain).place(value) == pytest.approx(place)


def test_ticks_are_decades_steps_or_even() -> None:
    assert axis_of(ray_tune.loguniform(0.03, 20.0)).ticks()[0] == (0.0, "0.03")
    assert [label for _, label in axis_of(ray_tune.loguniform(0.03, 20.0)).ticks()] == ["0.03", "0.1", "1", "10", "20"]
    assert axis_of(ray_tune.choice([8, 16])).ticks() == [(0.0, "8"), (1.0, "16")]
    assert [label for _, label in axis_over([1.0, 3.0]).ticks()] == ["1", "1.5", "2", "2.5", "3"]
    assert axis_over([0.5, 0.5]).ticks() == [(0.5, "0.5")]


def test_the_files_of_a_report(tmp_path: Path) -> None:
    write_report(
        Folder(str(tmp_path)),
        plan("sweep", samples=4, recipe={"name": "two_tower"}, domains=describe(SPACE)),
        SPACE,
        TRIALS,
        {"name": "two_tower"},
    )
    report = (tmp_path / "report.md").read_text()
    rows = [line for line in report.splitlines() if line.endswith("|") and "sweep-0" in line]
    assert rows == [
        "| 1 | 0.5 | 2 | 3 | 0 | 0.25 | 0.1 | 16 | sweep-000001 |",
        "| 0 | 0.2 | 1 | 1 | 62 | 0.75 | 0.01 | 8 | sweep-000000 |",
        "| 3 | – | – | 1 | 0 | 0.5 | 1 | 8 | sweep-000003 |",
        "| 2 | failed | – | 0 | 0 | 0.1 | 0.5 | 8 | sweep-000002 |",
    ]
    for fact in (
        "| recipe | two_tower |",
        "| searcher | random |",
        "| seed | 7 |",
        "| trials | 3 finished, 1 failed, of 4 |",
        "| command | `shoal sweep` |",
        "| `rate` | 0.01 to 1, by logarithm |",
        "| `width` | one of 8, 16 |",
        "- trial 2 failed: ShoalError: no room",
    ):
        assert fact in report.splitlines()
    records = json.loads((tmp_path / "trials.json").read_text())
    assert [(r["number"], r["score"], r["best_epoch"], r["epochs"]) for r in records] == [
        (1, 0.5, 2, 3), (0, 0.2, 1, 1), (3, None, None, 1), (2, None, None, 0),
    ]  # fmt: skip
    assert json.loads((tmp_path / "best.json").read_text()) == {"name": "two_tower"}


def test_the_figure_has_an_axis_a_setting_and_a_line_a_trial_with_a_score() -> None:
    drawing = parallel_svg(SPACE, TRIALS, "score")
    root = ElementTree.fromstring(drawing)
    words = "".join(root.itertext())
    for word in ("x", "rate", "width", "score", "trial 1: 0.5", "0.01", "16"):
        assert word in words
    # The best one is drawn last, and so in front.
    assert [e.get("id") for e in root.iter() if e.get("id", "").startswith("trial-")] == ["trial-0", "trial-1"]
    assert parallel_svg(SPACE, TRIALS, "score") == drawing
