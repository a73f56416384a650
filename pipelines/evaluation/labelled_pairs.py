"""Labelled pairs: does a model score what happened above what did not, and is it as sure as it may be?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cluster.commands.console import progress
from models.errors import InputError
from models.metrics import (
    against_the_model,
    auc,
    expected_calibration_error,
    log_loss,
    reliability,
    sigmoid,
    user_auc,
)
from models.user_state import UserState
from pipelines.evaluation.candidate_lists import Score
from pipelines.evaluation.measured import Measured
from pipelines.evaluation.pair_file import PAIR, read_pairs

_BATCH = 256
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class LabelledPairs:
    """Pairs ordered by user. `items`: each user's items; `user_of`, `labels` [num_pairs]: parallel to all of them."""

    user_ids: list[str]
    items: list[list[str]]
    user_of: NDArray[np.int64]
    labels: NDArray[np.bool_]


def read_labels(path: Path) -> LabelledPairs:
    """Pairs of a file with columns user_id, item_id and label (0 or 1); `InputError` unless both labels occur."""
    pairs = read_pairs(path, (*PAIR, "label"))
    text = pairs["label"].cast(pl.String).str.to_lowercase().str.strip_chars()
    known = {"0": False, "1": True, "0.0": False, "1.0": True, "false": False, "true": True}
    if strange := text.filter(~text.is_in(list(known)) | text.is_null()).to_list():
        raise InputError(f"file {path} has label {strange[0]!r} in {len(strange):,} rows. A label is 0 or 1.")
    labelled = pairs.with_columns(text.replace_strict(known, return_dtype=pl.Boolean).alias("label"))
    if labelled["label"].n_unique() < 2:
        raise InputError(f"every label in file {path} is {text[0]}. AUC needs pairs of both labels.")
    users = labelled.group_by("user_id", maintain_order=True).agg("item_id", "label")
    return LabelledPairs(
        users["user_id"].to_list(),
        users["item_id"].to_list(),
        np.repeat(np.arange(len(users)), users["item_id"].list.len().to_numpy()),
        users["label"].explode().to_numpy().astype(np.bool_),
    )


def users_of(pairs: LabelledPairs, known: Mapping[str, UserState]) -> tuple[list[UserState], list[str]]:
    """Each pair's user as far as they are known, and how many are not: strangers, as of the newest moment known."""
    newest = max((user.now for user in known.values()), default=_EPOCH)
    users = [known.get(user_id) or UserState(user_id, newest) for user_id in pairs.user_ids]
    strangers = sum(user_id not in known for user_id in pairs.user_ids)
    notes = (
        [f"{strangers:,} of {len(users):,} users have no event in the lake: scored as strangers"] if strangers else []
    )
    return users, notes


def measure_labels(
    name: str, score: Score, users: Sequence[UserState], pairs: LabelledPairs, *, is_logit: bool = True
) -> tuple[Measured, list[str]]:
    """AUC and group AUC of a model and, when its scores are logits, log loss and expected calibration error.

    Values are a user's: group AUC and log loss are weighted by each user's number of pairs. A pair without a score
    counts against the model; the second answer says how many there were.
    """
    raw = _score_all(name, score, users, pairs.items)
    scores = against_the_model(pairs.labels, raw)
    num_pairs = np.bincount(pairs.user_of, minlength=len(users)).astype(np.float64)
    per_user = {"group_auc": user_auc(pairs.labels, scores, pairs.user_of, len(users))}
    overall = {"auc": auc(pairs.labels, scores)}
    bins = None
    if is_logit:
        probabilities = sigmoid(scores)
        losses = log_loss(pairs.labels, probabilities)
        per_user["log_loss"] = np.bincount(pairs.user_of, losses, len(users)) / num_pairs
        bins = reliability(pairs.labels, probabilities)
        overall["calibration_error"] = expected_calibration_error(bins)
    if np.isnan(per_user["group_auc"]).all():
        del per_user["group_auc"]
    missing = int(np.isnan(raw).sum())
    notes = [f"{missing:,} of {len(raw):,} pairs have no score by {name}: each counts against it"] if missing else []
    return Measured(per_user, overall, dict.fromkeys(per_user, num_pairs), bins), notes


def _score_all(
    name: str, score: Score, users: Sequence[UserState], items: Sequence[Sequence[str]]
) -> NDArray[np.float32]:
    scores = []
    with progress() as bar:
        task = bar.add_task(f"score {name}", total=len(users))
        for start in range(0, len(users), _BATCH):
            batch = users[start : start + _BATCH]
            scores.extend(score(batch, items[start : start + _BATCH]))
            bar.advance(task, len(batch))
    return np.concatenate(scores)
