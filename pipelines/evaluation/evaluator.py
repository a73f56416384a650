"""Metrics of one recommender over evaluation cases, ranking the full catalogue with seen items masked."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from cluster.console import progress
from models.candidates import Candidates
from models.metrics import catalogue_coverage, hit_rate, ndcg, ranks_of_relevant, recall, reciprocal_rank
from models.recommender import NUM_CANDIDATES, Recommender
from pipelines.evaluation.cases import EvaluationCase

KS = (10, 20)

Recommend = Callable[[Sequence[EvaluationCase], int], list[list[str]]]
"""Item ids for each case, best first, at most k, nothing the user has seen."""

_BATCH = 256


def evaluate_bundle(recommender: Recommender, cases: Sequence[EvaluationCase]) -> dict[str, float]:
    """Metrics of a bundle: retrieval over the full catalogue, then ranking."""

    def recommend(batch: Sequence[EvaluationCase], k: int) -> list[list[str]]:
        users = [case.user for case in batch]
        found = recommender.retrieve(users, max(NUM_CANDIDATES, k), [user.seen for user in users])
        return [_ids(recommender, ranked.head(k)) for ranked in recommender.rank(users, found)]

    return evaluate("model", recommend, cases, KS, len(recommender.items))


def evaluate_popularity(recommender: Recommender, cases: Sequence[EvaluationCase]) -> dict[str, float]:
    """Metrics of popularity: items by their number of training events."""
    order = np.argsort(-recommender.items.counts, kind="stable")

    def recommend(batch: Sequence[EvaluationCase], k: int) -> list[list[str]]:
        seen = (recommender.items.vocabulary.known_rows(list(case.user.seen)) for case in batch)
        lists = (order[: k + len(rows)][~np.isin(order[: k + len(rows)], rows)][:k] for rows in seen)
        return [[recommender.items.ids[row] for row in rows] for rows in lists]

    return evaluate("popularity", recommend, cases, KS, len(recommender.items))


def evaluate(
    name: str, recommend: Recommend, cases: Sequence[EvaluationCase], ks: Sequence[int], num_items: int
) -> dict[str, float]:
    """Means over users of recall, NDCG, hit rate and MRR at each k, and catalogue coverage.

    Keys are `ndcg@10` and so on. `num_items` is the size of the catalogue.
    """
    lists = _recommend_all(name, recommend, cases, max(ks))
    ranks = [ranks_of_relevant(items, case.relevant) for items, case in zip(lists, cases, strict=True)]
    metrics: dict[str, float] = {}
    for k in ks:
        pairs = [(found, len(case.relevant)) for found, case in zip(ranks, cases, strict=True)]
        metrics[f"recall@{k}"] = _mean([recall(found, num, k) for found, num in pairs])
        metrics[f"ndcg@{k}"] = _mean([ndcg(found, num, k) for found, num in pairs])
        metrics[f"hit_rate@{k}"] = _mean([hit_rate(found, k) for found, _ in pairs])
        metrics[f"mrr@{k}"] = _mean([reciprocal_rank(found, k) for found, _ in pairs])
        metrics[f"coverage@{k}"] = catalogue_coverage(lists, num_items, k)
    return metrics


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


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else 0.0
