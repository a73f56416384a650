"""Ranking given candidate lists: where does a model put the item to be found among the items of a file?

The protocol of He et al. (2017, NCF, section 4.1): each held-out item against the user's own list. Its figures compare
only with others on the same lists; they do not order models as full ranking does (Krichene and Rendle, 2020).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from cluster.commands.console import progress
from models.metrics import candidate_ranks, hit_rate, hits_at, ndcg, reciprocal_rank
from models.metrics.hits import Values
from models.recommender import Recommender
from models.user_state import UserState
from pipelines.evaluation.cases import EvaluationCase
from pipelines.evaluation.evaluator import KS
from pipelines.evaluation.measured import Measured
from pipelines.evaluation.pair_file import read_pairs

Score = Callable[[Sequence[UserState], Sequence[Sequence[str]]], list[NDArray[np.float32]]]
"""Scores of given items for each user, parallel to the items; NaN for an item that is not known."""

_BATCH = 256


@dataclass(frozen=True, slots=True)
class CandidateList:
    """`relevant`: items to be found; `others`: what they compete with, each once and none of it relevant."""

    case: EvaluationCase
    relevant: tuple[str, ...]
    others: tuple[str, ...]


def read_candidates(path: Path) -> dict[str, list[str]]:
    """By user, the distinct candidates of the file, in its order."""
    grouped = (
        read_pairs(path).unique(maintain_order=True).group_by("user_id", maintain_order=True).agg(pl.col("item_id"))
    )
    return dict(grouped.iter_rows())


def candidate_lists(
    candidates: Mapping[str, Sequence[str]], cases: Sequence[EvaluationCase]
) -> tuple[list[CandidateList], list[str]]:
    """A list for each case that has candidates, and what was left out, a sentence each."""
    with_candidates = [case for case in cases if case.user.user_id in candidates]
    lists = [
        CandidateList(
            case,
            tuple(sorted(case.relevant)),
            tuple(item_id for item_id in candidates[case.user.user_id] if item_id not in case.relevant),
        )
        for case in with_candidates
    ]
    contested = [found for found in lists if found.others]
    notes = []
    if without := len(candidates) - len(with_candidates):
        notes.append(f"{without:,} of {len(candidates):,} users with candidates have no held-out item: ignored")
    if alone := len(lists) - len(contested):
        notes.append(f"{alone:,} users have no candidate but what is to be found: ignored")
    return contested, notes


def bundle_scores(recommender: Recommender) -> Score:
    """The final score that serving orders by."""
    return recommender.score_pairs


def popularity_scores(recommender: Recommender) -> Score:
    """The number of training events of the item; NaN for an unknown one."""
    counts = np.append(recommender.items.counts.astype(np.float32), np.float32(np.nan))
    row = recommender.items.vocabulary.row

    def score(users: Sequence[UserState], item_ids: Sequence[Sequence[str]]) -> list[NDArray[np.float32]]:
        found = ([row(item_id) for item_id in items] for items in item_ids)
        return [counts[np.asarray([-1 if at is None else at for at in rows], np.int64)] for rows in found]

    return score


def measure_candidates(
    name: str, score: Score, lists: Sequence[CandidateList], ks: Sequence[int] = KS
) -> tuple[Measured, list[str]]:
    """NDCG, hit rate and MRR of a model on candidate lists, and how many items had no score.

    Each relevant item is ranked against the others alone, as if it were the only one; a case's value is the mean
    over its relevant items. Ties count against the model, and an item without a score is last.
    """
    relevant, others = _score_all(name, score, lists)
    num_relevant = np.asarray([len(found.relevant) for found in lists], np.int64)
    num_others = np.asarray([len(found.others) for found in lists], np.int64)
    case_of = np.repeat(np.arange(len(lists)), num_relevant)
    ranks = candidate_ranks(*_opponents(relevant, others, num_others, case_of))
    hits, one = hits_at(ranks, max(ks)), np.ones(len(ranks), np.int64)
    values: dict[str, Values] = {}
    for k in ks:
        values[f"ndcg@{k}"] = ndcg(hits, one, k)
        values[f"hit_rate@{k}"] = hit_rate(hits, k)
        values[f"mrr@{k}"] = reciprocal_rank(hits, k)
    per_case = {metric: np.bincount(case_of, found, len(lists)) / num_relevant for metric, found in values.items()}
    missing, total = int(np.isnan(relevant).sum() + np.isnan(others).sum()), len(relevant) + len(others)
    notes = [f"{missing:,} of {total:,} items have no score by {name}: each is ranked last"] if missing else []
    return Measured(per_case), notes


def _opponents(
    relevant: NDArray[np.float32],
    others: NDArray[np.float32],
    num_others: NDArray[np.int64],
    case_of: NDArray[np.int64],
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int64]]:
    """Each relevant item with a copy of its case's other items: the arguments of `candidate_ranks`."""
    num = num_others[case_of]
    owner = np.repeat(np.arange(len(relevant)), num)
    within = np.arange(len(owner)) - np.repeat(np.cumsum(num) - num, num)
    start = np.cumsum(num_others) - num_others
    return relevant, others[np.repeat(start[case_of], num) + within], owner


def _score_all(
    name: str, score: Score, lists: Sequence[CandidateList]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Scores of all relevant items and of all others, each flat in the order of the lists."""
    relevant, others = [np.zeros(0, np.float32)], [np.zeros(0, np.float32)]
    with progress() as bar:
        task = bar.add_task(f"score {name}", total=len(lists))
        for start in range(0, len(lists), _BATCH):
            batch = lists[start : start + _BATCH]
            scored = score([found.case.user for found in batch], [found.relevant + found.others for found in batch])
            for found, values in zip(batch, scored, strict=True):
                relevant.append(values[: len(found.relevant)])
                others.append(values[len(found.relevant) :])
            bar.advance(task, len(batch))
    return np.concatenate(relevant), np.concatenate(others)
