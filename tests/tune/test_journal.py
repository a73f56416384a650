"""A trial is worth its best epoch, and the journal keeps it whole."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from cluster.storage import Folder
from tune.journal import Journal, Status, Trial, best_first, line


def trial(number: int, scores: list[float], status: Status = "finished") -> Trial:
    made = Trial(number, f"sweep-{number:06d}", {"x": 0.5}, status)
    for epoch, score in enumerate(scores, 1):
        made.record(epoch, score)
    return made


@pytest.mark.parametrize(
    ("scores", "best_epoch", "score"),
    [
        ([0.1, 0.3, 0.2], 2, 0.3),
        ([0.3, 0.3], 1, 0.3),
        ([-0.5, -0.2], 2, -0.2),
        ([math.nan, 0.1, math.nan], 2, 0.1),
        ([math.inf, 0.1], 2, 0.1),
        ([math.nan, math.nan], None, None),
        ([], None, None),
    ],
)
def test_the_score_is_the_best_epochs(scores: list[float], best_epoch: int | None, score: float | None) -> None:
    assert (trial(0, scores).best_epoch, trial(0, scores).score) == (best_epoch, score)


def test_an_epoch_done_again_replaces_its_record() -> None:
    again = trial(0, [0.1, 0.9])
    again.record(2, 0.2)
    assert (again.score, len(again.scores)) == (0.2, 2)


def test_best_first_then_those_without_a_score_then_those_that_failed() -> None:
    trials = [
        trial(0, [0.9], "failed"),
        trial(1, [math.nan]),
        trial(2, [0.2, 0.1]),
        trial(3, [-1.0]),
        trial(4, [0.0, 0.3]),
        trial(5, [0.2]),
    ]
    assert [t.number for t in best_first(trials)] == [4, 2, 5, 3, 1, 0]


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    journal = Journal(Folder(str(tmp_path)))
    for number in range(11):
        journal.write(trial(number, [0.1, math.nan, 0.123456789012345], "failed" if number == 3 else "finished"))
    journal.trials[4].error = "out of memory"
    journal.write(journal.trials[4])
    assert Journal(Folder(str(tmp_path))).trials == journal.trials


def test_one_line_says_how_it_went() -> None:
    assert line(trial(3, [0.25]), "ndcg@10") == "trial 3: ndcg@10 0.25  epochs 1  0 s  x=0.5"
    failed = trial(4, [], "failed")
    failed.error = "no room"
    assert line(failed, "ndcg@10").startswith("trial 4: failed: no room")
