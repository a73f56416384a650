"""Labelled pairs: the file as users write it, and the metrics worked out by hand."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest

from models.errors import InputError, SchemaError
from models.recommender import Recommender
from pipelines.evaluation.cases import users_before
from pipelines.evaluation.labelled_pairs import LabelledPairs, measure_labels, read_labels, users_of
from pipelines.evaluation.protocols import given_labels
from pipelines.learning.data.sequences import SEQUENCE
from pipelines.learning.data.split import TEST, Split
from tests.models.tiny_bundle import NOW, user, write_bundle

LOGITS = {"a": math.log(3), "b": -math.log(3), "c": 0.0}


def score(users: list, item_ids: list) -> list[np.ndarray]:
    """Logits by item; an item that is not known has none."""
    return [np.asarray([LOGITS.get(item_id, np.nan) for item_id in ids], np.float32) for ids in item_ids]


def read(folder: Path, *rows: str) -> LabelledPairs:
    path = folder / "labels.csv"
    path.write_text("\n".join(["user_id,item_id,label", *rows]))
    return read_labels(path)


def test_pairs_of_one_user_come_together(tmp_path: Path) -> None:
    pairs = read(tmp_path, "ann,a,1", "bob,b,0", "ann,c,0.0")
    assert (pairs.user_ids, pairs.items) == (["ann", "bob"], [["a", "c"], ["b"]])
    assert pairs.user_of.tolist() == [0, 0, 1]
    assert pairs.labels.tolist() == [True, False, False]


@pytest.mark.parametrize("values", [[1, 0], [1.0, 0.0], [True, False]])
def test_labels_of_a_parquet_file(tmp_path: Path, values: list[object]) -> None:
    path = tmp_path / "labels.parquet"
    pl.DataFrame({"user_id": [1, 2], "item_id": [3, 4], "label": values}).write_parquet(path)
    assert read_labels(path).labels.tolist() == [True, False]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["ann,a,1", "ann,b,2"], "label '2' in 1 rows"),
        (["ann,a,1", "ann,b,"], "label None in 1 rows"),
        (["ann,a,1", "ann,b,1"], "every label .* is 1. AUC needs pairs of both"),
        ([], "holds no pair"),
    ],
)
def test_labels_that_are_none(tmp_path: Path, rows: list[str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        read(tmp_path, *rows)


def test_a_file_without_labels_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "labels.csv"
    path.write_text("user_id,item_id\nann,a\n")
    with pytest.raises(SchemaError, match="lacks the columns label"):
        read_labels(path)


def test_metrics_by_hand(tmp_path: Path) -> None:
    # Logits log 3, −log 3, 0 are probabilities 3/4, 1/4, 1/2.
    pairs = read(tmp_path, "ann,a,1", "ann,b,0", "ann,c,0", "bob,b,1", "bob,c,0", "cy,a,1")
    measured, notes = measure_labels("m", score, [user(name) for name in pairs.user_ids], pairs)
    means = measured.means()
    # Ann's positive beats both, Bob's loses, Cy has one class: (3·1 + 2·0) / 5.
    assert means["group_auc"] == pytest.approx(3 / 5)
    # Positives a, b, a against b, c, c: a wins 3 each, b ties once: 6.5 of 9.
    assert means["auc"] == pytest.approx(6.5 / 9)
    # a, a: −ln 3/4; Ann's b: −ln 3/4; c, c: −ln 1/2; Bob's b happened: −ln 1/4.
    assert means["log_loss"] == pytest.approx((3 * -math.log(3 / 4) + 2 * math.log(2) + math.log(4)) / 6)
    # Bins at 1/4 (b, b: half happened), 1/2 (c, c: none) and 3/4 (a, a: both): gaps 1/4, 1/2, 1/4.
    assert means["calibration_error"] == pytest.approx((1 / 4 + 1 / 2 + 1 / 4) / 3)
    assert measured.reliability is not None
    assert measured.reliability.num_pairs == (2, 2, 2)
    assert notes == []


def test_a_pair_without_a_score_counts_against_the_model(tmp_path: Path) -> None:
    pairs = read(tmp_path, "ann,new,1", "ann,b,0", "bob,newer,0", "bob,a,1")
    measured, notes = measure_labels("m", score, [user("ann"), user("bob")], pairs)
    assert measured.means()["group_auc"] == 0.0
    assert notes == ["2 of 4 pairs have no score by m: each counts against it"]


def test_a_score_that_is_no_logit_has_no_probability(tmp_path: Path) -> None:
    pairs = read(tmp_path, "ann,a,1", "ann,b,0")
    measured, _ = measure_labels("m", score, [user("ann")], pairs, is_logit=False)
    assert set(measured.means()) == {"auc", "group_auc"}
    assert measured.reliability is None


def test_users_of_one_class_alone_have_no_group_auc(tmp_path: Path) -> None:
    pairs = read(tmp_path, "ann,a,1", "bob,b,0")
    measured, _ = measure_labels("m", score, [user("ann"), user("bob")], pairs)
    assert set(measured.means()) == {"auc", "log_loss", "calibration_error"}


def test_a_user_without_events_is_a_stranger_and_said(tmp_path: Path) -> None:
    pairs = read(tmp_path, "ann,a,1", "new,b,0")
    users, notes = users_of(pairs, {"ann": user("ann", "c")})
    assert [(u.user_id, len(u.history), u.now) for u in users] == [("ann", 1, NOW), ("new", 0, NOW)]
    assert notes == ["1 of 2 users have no event in the lake: scored as strangers"]


def test_users_are_as_of_their_first_held_out_event() -> None:
    columns = {
        "user_id": ["ann", "bob"],
        "country": [None, None],
        "attributes": [None, None],
        "item_ids": [["a", "b", "c"], ["a", "b"]],
        "event_types": [["click"] * 3, ["click"] * 2],
        "timestamps_us": [[0, 1_000_000, 2_000_000], [0, 1_000_000]],
        "countries": [[None] * 3, [None] * 2],
    }
    users = list(users_before(pa.table(columns, schema=SEQUENCE), Split("leave_last_out"), TEST))
    # Ann's c tests; of Bob's two nothing is held out.
    assert [(u.user_id, u.positives, u.now.second) for u in users] == [("ann", ("a", "b"), 2), ("bob", ("a", "b"), 1)]


def test_a_bundle_beside_popularity(tmp_path: Path) -> None:
    recommender = Recommender.load(write_bundle(tmp_path / "bundle"), "v1")
    pairs = read(tmp_path, "ann,item-0,1", "ann,item-5,0", "bob,item-1,1", "bob,item-4,0")
    found = given_labels({"model": recommender}, pairs, [user("ann"), user("bob")])
    # Both positives have more training events than both negatives.
    assert found.metrics["popularity"] == {"group_auc": 1.0, "auc": 1.0}
    assert set(found.metrics["model"]) == {"group_auc", "log_loss", "auc", "calibration_error"}
    assert set(found.reliability) == {"model"}
    assert found.num_cases == 2
