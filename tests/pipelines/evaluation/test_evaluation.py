"""Models side by side: what the numbers are, and how the table, the JSON and the picture tell them."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from models.errors import InputError
from models.metrics import Reliability
from models.recommender import Recommender
from pipelines.evaluation.cases import EvaluationCase
from pipelines.evaluation.evaluation import Evaluation, compare
from pipelines.evaluation.measured import Measured
from pipelines.evaluation.picture import picture, write_report
from pipelines.evaluation.protocols import full_ranking
from pipelines.evaluation.report import report
from tests.models.tiny_bundle import ITEMS, user, write_bundle
from tests.pipelines.evaluation.measured_pairs import evaluated

HALF = [True] * 40 + [False] * 20


@pytest.fixture(scope="module")
def evaluation() -> Evaluation:
    model = [0.5, 0.3] * 30
    return evaluated(
        {"users: cold": HALF, "country: $\\x$": [not held for held in HALF]},
        model=model,
        champion=[0.4, 0.2] * 30,
        popularity=[0.1, 0.0] * 30,
    )


@pytest.fixture(scope="module")
def labelled() -> Evaluation:
    bins = Reliability((2, 2), (0.2, 0.8), (0.0, 1.0))
    per_user = {"group_auc": np.asarray([1.0, np.nan]), "log_loss": np.asarray([0.1, 0.3])}
    weights = dict.fromkeys(per_user, np.asarray([3.0, 1.0]))
    model = Measured(per_user, {"auc": 0.9, "calibration_error": 0.2}, weights, bins)
    popularity = Measured({"group_auc": np.asarray([0.5, np.nan])}, {"auc": 0.6}, weights)
    return compare("labelled pairs", {"model": model, "popularity": popularity}, notes=["2 pairs have no score"])


def test_each_model_has_its_means_and_intervals(evaluation: Evaluation) -> None:
    assert evaluation.metrics["model"] == pytest.approx({"ndcg@10": 0.4, "hit_rate@10": 1.0, "coverage@10": 0.5})
    estimate = evaluation.intervals["model"]["ndcg@10"]
    # Half 0.5, half 0.3, 60 cases: 1.96 · 0.1 / √60 = 0.025 to each side.
    assert (estimate.low, estimate.high) == pytest.approx((0.375, 0.425), abs=0.005)
    assert "coverage@10" not in evaluation.intervals["model"]  # it is no mean over users


def test_the_candidate_is_compared_with_each_other_model(evaluation: Evaluation) -> None:
    assert {name: set(tests) for name, tests in evaluation.paired.items()} == {
        "champion": {"ndcg@10", "hit_rate@10"},
        "popularity": {"ndcg@10", "hit_rate@10"},
    }
    # Every case is 0.1 better, so no resample says otherwise.
    test = evaluation.paired["champion"]["ndcg@10"]
    assert (test.difference, test.low, test.high) == pytest.approx((0.1, 0.1, 0.1))


def test_slices_hold_their_own_means(evaluation: Evaluation) -> None:
    cold, few = evaluation.slices
    assert (cold.name, cold.num_cases, cold.judged) == ("users: cold", 40, True)
    assert (few.name, few.num_cases, few.judged) == ("country: $\\x$", 20, False)
    assert cold.estimates["champion"]["ndcg@10"].mean == pytest.approx(0.3)
    assert cold.against_champion is not None
    assert cold.against_champion.difference == pytest.approx(0.1)


def test_weighted_metrics_weigh_their_users(labelled: Evaluation) -> None:
    assert labelled.metrics["model"]["log_loss"] == pytest.approx((3 * 0.1 + 0.3) / 4)
    assert labelled.intervals["model"]["log_loss"].mean == pytest.approx(0.15)
    assert labelled.metrics["model"]["group_auc"] == 1.0
    # The second user has no AUC; popularity has no log loss.
    assert {metric: test.difference for metric, test in labelled.paired["popularity"].items()} == {"group_auc": 0.5}


def test_the_report_lists_models_differences_and_slices(evaluation: Evaluation) -> None:
    lines = report(evaluation).splitlines()
    assert lines[0] == "full ranking, 60 cases; [95% interval over users]"
    assert lines[2].split() == ["metric", "model", "champion", "popularity"]
    assert lines[3].startswith("ndcg@10                 0.4000 [0.37")
    assert lines[5].split() == ["coverage@10", "0.5000", "0.5000", "0.5000"]
    assert any(line.split()[:3] == ["champion", "ndcg@10", "+0.1000"] for line in lines)
    assert any(line.startswith("users: cold") and line.endswith("40") for line in lines)
    assert any(line.startswith("country: $\\x$") and line.endswith("20 (few)") for line in lines)


def test_the_report_of_pairs_leaves_out_what_popularity_has_not(labelled: Evaluation) -> None:
    lines = {line.split()[0]: line for line in report(labelled).splitlines() if line}
    assert lines["log_loss"].split()[-1] == "–"
    assert lines["auc"].split() == ["auc", "0.9000", "0.6000"]
    assert lines["note:"] == "note: 2 pairs have no score"


def test_the_json_holds_everything(evaluation: Evaluation) -> None:
    read = json.loads(evaluation.to_json())
    assert read["metrics"]["model"]["ndcg@10"] == pytest.approx(0.4)
    assert set(read["intervals"]["model"]["ndcg@10"]) == {"mean", "low", "high"}
    assert [part["judged"] for part in read["slices"]] == [True, False]
    assert read["paired"]["champion"]["ndcg@10"]["p_value"] < 0.01


def test_the_picture_shows_metrics_and_slices(evaluation: Evaluation) -> None:
    words = "".join(ElementTree.fromstring(picture(evaluation)).itertext())
    for word in ("ndcg@10", "coverage@10", "champion", "users: cold (40)", "country: $\\x$ (20, few)", "60 users"):
        assert word in words


def test_the_picture_of_pairs_shows_their_reliability(labelled: Evaluation) -> None:
    words = "".join(ElementTree.fromstring(picture(labelled)).itertext())
    for word in ("calibrated", "model, error 0.200", "group_auc", "share of positives"):
        assert word in words


def test_the_report_folder_is_made(evaluation: Evaluation, tmp_path: Path) -> None:
    write_report(evaluation, tmp_path / "new" / "folder")
    assert sorted(path.name for path in (tmp_path / "new" / "folder").iterdir()) == ["metrics.json", "report.svg"]
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        write_report(evaluation, tmp_path / "file")


@pytest.mark.parametrize("num_cases", [1, 2])
def test_a_bundle_against_itself_on_few_cases(tmp_path: Path, num_cases: int) -> None:
    recommender = Recommender.load(write_bundle(tmp_path), "v1")
    cases = [EvaluationCase(user("ann", ITEMS[0]), frozenset(ITEMS[1:2])), EvaluationCase(user("bob"), frozenset("x"))]
    found = full_ranking({"model": recommender, "champion": recommender}, cases[:num_cases])
    assert found.paired["champion"]["ndcg@10"].difference == 0.0
    assert found.metrics["model"] == found.metrics["champion"]
    assert "ndcg@10" in report(found)
    assert ElementTree.fromstring(picture(found)).tag.endswith("svg")
