"""Metrics of one recommender over evaluation cases, ranking the full catalogue with seen items masked."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from cluster.commands.console import progress
from models.candidates import Candidates
from models.metrics import (
    average_precision,
    hit_matrix,
    hit_rate,
    ndcg,
    precision,
    recall,
    reciprocal_rank,
)
from models.metrics.hits import Hits, Values
from models.recommender import NUM_CANDIDATES, Recommender
from pipelines.evaluation.cases import EvaluationCase
from pipelines.evaluation.measured import Measured
from pipelines.evaluation.yardstick import Yardstick

KS = (10, 20)

Recommend = Callable[[Sequence[EvaluationCase], int], list[list[str]]]
"""Item ids for each case, best first, at most k, nothing the user has seen."""

_BATCH = 256


def evaluate_bundle(recommender: Recommender, cases: Sequence[EvaluationCase]) -> dict[str, float]:
    """Means of `measure_bundle`."""
    return measure_bundle("model", recommender, cases, Yardstick.of(recommender)).means()


def evaluate_popularity(recommender: Recommender, cases: Sequence[EvaluationCase]) -> dict[str, float]:
    """Means of `measure_popularity`."""
    return measure_popularity(recommender, cases, Yardstick.of(recommender)).means()


def measure_bundle(
    name: str, recommender: Recommender, cases: Sequence[EvaluationCase], yardstick: Yardstick
) -> Measured:
    """Metrics of a bundle: retrieval over the full catalogue, then ranking."""

    def recommend(batch: Sequence[EvaluationCase], k: int) -> list[list[str]]:
        users = [case.user for case in batch]
        found = recommender.retrieve(users, max(NUM_CANDIDATES, k), [user.seen for user in users])
        return [_ids(recommender, ranked.head(k)) for ranked in recommender.rank(users, found)]

    return measure(name, recommend, cases, yardstick)


def measure_popularity(recommender: Recommender, cases: Sequence[EvaluationCase], yardstick: Yardstick) -> Measured:
    """Metrics of popularity: items by their number of training events."""
    order = np.argsort(-recommender.items.counts, kind="stable")

    def recommend(batch: Sequence[EvaluationCase], k: int) -> list[list[str]]:
        seen = (recommender.items.vocabulary.known_rows(list(case.user.seen)) for case in batch)
        lists = (order[: k + len(rows)][~np.isin(order[: k + len(rows)], rows)][:k] for rows in seen)
        return [[recommender.items.ids[row] for row in rows] for rows in lists]

    return measure("popularity", recommend, cases, yardstick)


def measure(
    name: str,
    recommend: Recommend,
    cases: Sequence[EvaluationCase],
    yardstick: Yardstick,
    ks: Sequence[int] = KS,
) -> Measured:
    """Each case's NDCG, hit rate, recall, precision, MRR, MAP, novelty and diversity at each k, and of all cases
    together catalogue coverage and Gini of exposure. Keys are `ndcg@10` and so on.
    """
    lists = _recommend_all(name, recommend, cases, max(ks))
    hits = hit_matrix(lists, [case.relevant for case in cases], [case.user.seen for case in cases], max(ks))
    num_relevant = np.asarray([len(case.relevant) for case in cases], np.int64)
    rows = yardstick.rows(lists, max(ks))
    per_case: dict[str, Values] = {}
    overall: dict[str, float] = {}
    for k in ks:
        per_case |= _accuracy(hits, num_relevant, k) | yardstick.per_list(rows, k)
        overall |= yardstick.of_all(rows, k)
    return Measured(per_case, overall)


def _accuracy(hits: Hits, num_relevant: np.ndarray, k: int) -> dict[str, Values]:
    """The metrics of hits among the first `k`, [num_lists] each."""
    return {
        f"ndcg@{k}": ndcg(hits, num_relevant, k),
        f"hit_rate@{k}": hit_rate(hits, k),
        f"recall@{k}": recall(hits, num_relevant, k),
        f"precision@{k}": precision(hits, k),
        f"mrr@{k}": reciprocal_rank(hits, k),
        f"map@{k}": average_precision(hits, num_relevant, k),
    }


def _recommend_all(name: str, recommend: Recommend, cases: Sequence[EvaluationCase], k: int) -> list[list[str]]:
    lists: list[list[str]] = []
    with progress() as bar:
        task = bar.add_task(f"evaluate {name}", total=len(cases))
        for start in range(0, len(cases), _BATCH):
            batch = cases[start : start + _BATCH]
            lists.extend(recommend(batch, k))
            bar.advance(task, len(batch))
    return lists


def _ids(recommender: Recommender, candidates: Candidates) -> list[str]:
    return [recommender.items.ids[row] for row in candidates.item_rows]
