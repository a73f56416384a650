"""A bundle folder from finished runs, and the ranker's weight in it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from models.errors import ConfigError, NotFoundError
from models.recommender import Recommender
from pipelines.evaluation.cases import EvaluationCase
from pipelines.publication.assemble import RANKER_FILES, assemble, index_records
from pipelines.publication.blend import WEIGHTS, fit_weight
from tests.models.tiny_bundle import ITEMS, user, write_bundle

FITTING = {"features": {"history_length": 50, "user_buckets": 16}, "split": {"protocol": "time"}}


@pytest.fixture
def runs(tmp_path: Path) -> tuple[str, str]:
    """A finished retrieval run and a finished ranker run, cut from one bundle."""
    whole = write_bundle(tmp_path / "whole", ranker_weight=0.0)
    for name in ("two_tower", "ranker"):
        export = tmp_path / name / "export"
        export.mkdir(parents=True)
        for path in whole.iterdir():
            if (path.name in RANKER_FILES) == (name == "ranker"):
                shutil.copy(path, export)
        (tmp_path / name / "config.json").write_text(json.dumps({"name": name, **FITTING}))
        (tmp_path / name / "data.json").write_text(json.dumps({"num_users": 2}))
    return str(tmp_path / "two_tower"), str(tmp_path / "ranker")


def test_both_runs_make_one_bundle(runs: tuple[str, str], tmp_path: Path) -> None:
    made = assemble(*runs, tmp_path / "out")
    assert made.recipe == "two_tower+ranker"
    assert made.config == {"retrieval": {"name": "two_tower", **FITTING}, "ranker": {"name": "ranker", **FITTING}}
    assert made.data == {"num_users": 2}
    assert len(Recommender.load(made.folder, "v1").items) == len(ITEMS)
    assert set(RANKER_FILES) <= {path.name for path in made.folder.iterdir()}


def test_retrieval_alone_has_no_ranker(runs: tuple[str, str], tmp_path: Path) -> None:
    made = assemble(runs[0], None, tmp_path / "out")
    assert made.recipe == "two_tower"
    assert not set(RANKER_FILES) & {path.name for path in made.folder.iterdir()}


def test_what_was_learned_before_a_refit_stands_beside_a_ranker(runs: tuple[str, str], tmp_path: Path) -> None:
    selection = Path(runs[0]) / "selection"
    shutil.copytree(runs[0], selection)
    refit = {"name": "two_tower", **FITTING, "split": {"validation": False}}
    (Path(runs[0]) / "config.json").write_text(json.dumps(refit))
    assert assemble(*runs, tmp_path / "pair").config["retrieval"] == {"name": "two_tower", **FITTING}
    assert assemble(runs[0], None, tmp_path / "alone").config["retrieval"] == refit


@pytest.mark.parametrize("which", [0, 1])
def test_an_unfinished_run_is_no_bundle(runs: tuple[str, str], tmp_path: Path, which: int) -> None:
    shutil.rmtree(Path(runs[which]) / "export")
    with pytest.raises(NotFoundError, match="has no export"):
        assemble(*runs, tmp_path / "out")


@pytest.mark.parametrize(
    ("file", "changed", "what"),
    [
        (
            "config.json",
            {"name": "ranker", **FITTING, "features": {"history_length": 50, "user_buckets": 8}},
            "features",
        ),
        ("config.json", {"name": "ranker", **FITTING, "split": {"protocol": "leave_last_out"}}, "split"),
        ("data.json", {"num_users": 3}, "data"),
    ],
)
def test_a_ranker_of_other_rows_or_another_split_is_refused(
    runs: tuple[str, str], tmp_path: Path, file: str, changed: dict[str, object], what: str
) -> None:
    (Path(runs[1]) / file).write_text(json.dumps(changed))
    with pytest.raises(ConfigError, match=f"do not fit: other {what}"):
        assemble(*runs, tmp_path / "out")


def test_a_ranker_has_histories_of_its_own_length(runs: tuple[str, str], tmp_path: Path) -> None:
    ranker = {"name": "ranker", **FITTING, "features": {**FITTING["features"], "history_length": 1_000}}
    (Path(runs[1]) / "config.json").write_text(json.dumps(ranker))
    assert assemble(*runs, tmp_path / "out").config["ranker"] == ranker


def test_what_was_measured_of_each_index_is_found(runs: tuple[str, str], tmp_path: Path) -> None:
    made = assemble(*runs, tmp_path / "out")
    for name in ("als", "old"):
        shutil.copytree(Path(runs[0]) / "export", made.folder / "sources" / name)
    (made.folder / "sources" / "old" / "index.json").unlink()  # of a run before indexes were measured
    records = index_records(made.folder)
    assert set(records) == {"index.faiss", "sources/als/index.faiss"}
    whole = records["index.faiss"]
    assert (whole["kind"], whole["num_items"], whole["dim"], whole["recall_at_100"]) == ("exact", len(ITEMS), 8, 1.0)


def test_a_run_without_its_config_is_refused(runs: tuple[str, str], tmp_path: Path) -> None:
    (Path(runs[0]) / "config.json").unlink()
    with pytest.raises(NotFoundError, match=r"has no config\.json"):
        assemble(*runs, tmp_path / "out")


def test_a_ranker_that_cannot_help_gets_no_weight(tmp_path: Path) -> None:
    # All but one item were seen, so every weight finds it first; of equals the smallest is kept.
    folder = write_bundle(tmp_path, ranker_weight=2.0)
    cases = [EvaluationCase(user("ann", *ITEMS[1:]), frozenset(ITEMS[:1]))]
    assert fit_weight(folder, cases) == 0.0
    assert json.loads((folder / "ranker.json").read_text())["weight"] == 0.0


def test_a_ranker_that_helps_gets_the_best_weight(tmp_path: Path) -> None:
    # The case asks for the item that a heavy ranker lifts most above its place in retrieval.
    folder = write_bundle(tmp_path, ranker_weight=max(WEIGHTS))
    recommender, ann = Recommender.load(folder, "v1"), user("ann", ITEMS[0])
    [found] = recommender.retrieve([ann], len(ITEMS), [ann.seen])
    [ranked] = recommender.rank([ann], [found])
    before, after = found.item_rows.tolist(), ranked.item_rows.tolist()
    lifted = max(before, key=lambda row: before.index(row) - after.index(row))
    assert before.index(lifted) > after.index(lifted)
    assert fit_weight(folder, [EvaluationCase(ann, frozenset([ITEMS[lifted]]))]) > 0.0
