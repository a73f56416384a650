"""The weights of a hybrid, learned on validation users.

First those that make the held-out items likeliest among the candidates (multinomial logistic regression). Likelihood
looks at every candidate and a list only at its top, so the weights then climb by the metric itself, one at a time
(coordinate ascent: Metzler and Croft, "Linear Feature-Based Models for Information Retrieval", 2007), from there or
from the best source alone. So on the users it was learned on, a hybrid is never worse than its best source.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from models.metrics import RankMetric, by_rank
from models.retrievers.hybrid import HybridRetriever
from pipelines.learning.data.held_out import HeldOut

Weights = NDArray[np.float64]

_CANDIDATES = 100
_USERS_AT_A_TIME = 256
_PENALTY = 1e-4
_STEPS = (0.0, 0.5, 0.8, 1.25, 2.0)
_FROM_ZERO = (0.1, 0.3, 1.0)
_LEAST_GAIN = 1e-4
_NEXT_TO_NOTHING = 0.01
"""Of the largest weight. Scores are on one scale, so such a source moves nothing."""
_MOST_ROUNDS = 20


@dataclass(frozen=True, slots=True)
class Cases:
    """Candidates of every held-out example, case after case.

    `features` [num_candidates, num_features]; `starts` [num_cases], the row at which each case begins; `right`
    [num_cases], the row of its held-out item; `shares` [num_cases], what each counts, 1 in all; `metric`: what the
    held-out item's place is worth.
    """

    features: Weights
    starts: NDArray[np.int64]
    right: NDArray[np.int64]
    shares: Weights
    metric: RankMetric = "ndcg@10"

    def log_loss(self, weights: Weights) -> tuple[float, Weights]:
        """Mean negative log likelihood of the held-out items, and its slope."""
        logits = self.features @ weights
        chances = np.exp(logits - self._spread(np.maximum.reduceat(logits, self.starts)))
        chances /= self._spread(np.add.reduceat(chances, self.starts))
        expected = np.add.reduceat(chances[:, None] * self.features, self.starts)
        loss = -float(self.shares @ np.log(chances[self.right] + 1e-300))
        return loss, self.shares @ (expected - self.features[self.right])

    def value(self, weights: Weights) -> float:
        """Mean of the metric; a candidate of the same score stands before the held-out item."""
        scores = self.features @ weights
        before = np.add.reduceat(scores >= self._spread(scores[self.right]), self.starts) - 1
        return float(self.shares @ by_rank(self.metric, before))

    def _spread(self, by_case: Weights) -> Weights:
        """A number of each case, at each of its candidates."""
        return np.repeat(by_case, np.diff(self.starts, append=len(self.features)))


def learn_weights(retriever: HybridRetriever, held_out: HeldOut) -> Weights:
    """Weights, none below 0, of the columns of `retriever.features`."""
    return best_weights(validation_cases(retriever, held_out), retriever.num_sources)


def best_weights(cases: Cases, num_sources: int) -> Weights:
    """Weights of `num_sources` columns, and of those that stand in for them where nothing is known.

    The latter keep half of the others' weight, however little they help on average.
    """

    def floored(weights: Weights) -> Weights:
        least = 0.5 * weights[:num_sources].sum()
        return np.concatenate([weights[:num_sources], np.maximum(weights[num_sources:], least)])

    def score(weights: Weights) -> float:
        return cases.value(floored(weights))

    alone = list(np.eye(cases.features.shape[1])[:num_sources])
    return floored(climbed(score, max([likeliest(cases), *alone], key=score)))


def likeliest(cases: Cases) -> Weights:
    """Weights of the greatest likelihood, with a small penalty on their squares; 0 for what is next to nothing."""

    def loss(weights: Weights) -> tuple[float, Weights]:
        mean, slope = cases.log_loss(weights)
        return mean + _PENALTY * float(weights @ weights), slope + 2 * _PENALTY * weights

    start = np.ones(cases.features.shape[1])
    found = np.asarray(minimize(loss, start, jac=True, bounds=[(0.0, None)] * len(start)).x, np.float64)
    return np.where(found < _NEXT_TO_NOTHING * found.max(), 0.0, found)


def climbed(score: Callable[[Weights], float], weights: Weights) -> Weights:
    """Weights changed one at a time for as long as that scores better."""
    best = score(weights)
    for _ in range(_MOST_ROUNDS):
        before = best
        for at in range(len(weights)):
            tried = [_with(weights, at, value) for value in _steps(weights, at)]
            scores = [score(candidate) for candidate in tried]
            if max(scores) > best + _LEAST_GAIN:
                best, weights = max(scores), tried[int(np.argmax(scores))]
        if best == before:
            break
    return weights


def validation_cases(retriever: HybridRetriever, held_out: HeldOut) -> Cases:
    """What each example is ranked against, or the sources' candidates without the seen ones; with the held-out item."""
    features: list[Weights] = []
    rows: list[NDArray[np.int64]] = []
    for start in range(0, len(held_out.examples), _USERS_AT_A_TIME):
        part = held_out.take(slice(start, start + _USERS_AT_A_TIME))
        users, targets = part.examples.users, part.examples.items
        found = part.among or retriever.candidates(users, _CANDIDATES + max(map(len, part.seen)))
        kept = [
            np.union1d(np.setdiff1d(items, barred), [target])
            for items, barred, target in zip(found, part.seen, targets, strict=True)
        ]
        owner = np.repeat(np.arange(len(kept)), [len(items) for items in kept])
        features.append(retriever.features(users, owner, np.concatenate(kept)))
        rows += kept
    starts = np.cumsum([0, *(len(items) for items in rows[:-1])])
    within = [np.searchsorted(items, target) for items, target in zip(rows, held_out.examples.items, strict=True)]
    weights = np.asarray(held_out.weight_of(), np.float64)
    shares = weights / max(weights.sum(), 1e-9)
    return Cases(np.concatenate(features), starts, starts + within, shares, held_out.metric)


def _steps(weights: Weights, at: int) -> list[float]:
    if weights[at] > 0:
        return [float(weights[at]) * factor for factor in _STEPS]
    return [float(weights.max()) * share for share in _FROM_ZERO]


def _with(weights: Weights, at: int, value: float) -> Weights:
    changed = weights.copy()
    changed[at] = value
    return changed
