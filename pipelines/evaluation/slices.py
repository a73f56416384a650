"""Slices of the cases: for whom, and for which items, is a model good?

users      cold, warm, hot: 0–4, 5–49, 50 and more events before the case. Fewer than 5 say little of a taste; 50 fill
           the history that the nets read. Fixed, so that a slice means the same in every log.
history    thirds of these cases by the same number, so that each third has cases enough to judge, whatever the log.
country    the 5 with most cases, `other` for the rest, `unknown`.
items      by the training events of what is to be found: cold (fewer than 5), and of the others hot (the most popular
           ones, which together hold a third of all events), tail (the least popular third) and middle.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from models.vocabulary import Vocabulary
from pipelines.evaluation.cases import EvaluationCase

COLD_EVENTS, HOT_USER_EVENTS = 5, 50
NUM_COUNTRIES = 5
_MAX_NAME = 20

Slices = dict[str, NDArray[np.bool_]]
"""Name of a slice, `users: cold`, and which cases are in it, [num_cases]."""


def slices_of(cases: Sequence[EvaluationCase], vocabulary: Vocabulary, counts: NDArray[np.int64]) -> Slices:
    """Slices that hold a case; `counts` [num_items] are training events. What does not part the cases is left out."""
    num_events = np.asarray([len(case.user.history) for case in cases], np.int64)
    parted = {
        "users": _users(num_events),
        "history": _history(num_events),
        "country": _countries(cases),
        "items": _items(cases, vocabulary, counts),
    }
    found: Slices = {}
    for dimension, parts in parted.items():
        held = {f"{dimension}: {part}": mask for part, mask in parts.items() if mask.any()}
        if len(held) > 1:
            found |= held
    return found


def _users(num_events: NDArray[np.int64]) -> Mapping[str, NDArray[np.bool_]]:
    cold, hot = num_events < COLD_EVENTS, num_events >= HOT_USER_EVENTS
    return {"cold": cold, "warm": ~cold & ~hot, "hot": hot}


def _history(num_events: NDArray[np.int64]) -> Mapping[str, NDArray[np.bool_]]:
    """Thirds by number of events; equal numbers stay together, so on few cases there may be fewer parts."""
    if not len(num_events):
        return {}
    cuts = np.unique(np.quantile(num_events, [1 / 3, 2 / 3], method="inverted_cdf"))
    part = np.searchsorted(cuts, num_events)
    masks = [part == number for number in range(len(cuts) + 1)]
    return {f"{num_events[mask].min()}–{num_events[mask].max()} events": mask for mask in masks if mask.any()}


def _countries(cases: Sequence[EvaluationCase]) -> Mapping[str, NDArray[np.bool_]]:
    names = [None if case.user.country is None else _printable(case.user.country) for case in cases]
    counted = sorted(Counter(name for name in names if name is not None).items(), key=lambda at: (-at[1], at[0]))
    largest = [name for name, _ in counted[:NUM_COUNTRIES]]
    parts = ["unknown" if name is None else name if name in largest else "other" for name in names]
    return {name: np.asarray([part == name for part in parts], bool) for name in (*largest, "other", "unknown")}


def _printable(name: str) -> str:
    """As a table and an XML document can hold it, whatever the log says."""
    return "".join(letter if letter.isprintable() else "?" for letter in name[:_MAX_NAME])


def _items(
    cases: Sequence[EvaluationCase], vocabulary: Vocabulary, counts: NDArray[np.int64]
) -> Mapping[str, NDArray[np.bool_]]:
    """By the median training count of the case's relevant items; an unknown item has none."""
    tail_below, hot_from = _thirds(counts)
    typical = np.asarray([_median_count(case, vocabulary, counts) for case in cases], np.float64)
    cold = typical < COLD_EVENTS
    hot = ~cold & (typical >= hot_from)
    tail = ~cold & ~hot & (typical < tail_below)
    return {"cold": cold, "tail": tail, "middle": ~cold & ~hot & ~tail, "hot": hot}


def _thirds(counts: NDArray[np.int64]) -> tuple[int, int]:
    """Counts that part the events in three: items below the first hold a third of them, items from the second too."""
    rising = np.sort(counts)
    held = np.cumsum(rising)
    if not len(held) or held[-1] == 0:
        return 0, 0
    first, second = np.searchsorted(held, [held[-1] / 3, 2 * held[-1] / 3])
    return int(rising[first]), int(rising[second])


def _median_count(case: EvaluationCase, vocabulary: Vocabulary, counts: NDArray[np.int64]) -> float:
    rows = [vocabulary.row(item_id) for item_id in case.relevant]
    return float(np.median([0 if row is None else counts[row] for row in rows]))
