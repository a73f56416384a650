"""An evaluation: models side by side on the same cases, with intervals, slices and paired tests."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np

from models.metrics import Estimate, PairedTest, Reliability, bootstrap, paired_test
from models.metrics.hits import Values
from pipelines.evaluation.measured import Measured
from pipelines.evaluation.slices import Slices

LEADING = "ndcg@10"
"""What slices are judged by."""
GUARDED = (LEADING, "hit_rate@10")
"""Metrics by which a candidate must not be worse than the champion."""
COMPARED = (*GUARDED, "group_auc", "log_loss")
"""Metrics that slices report and paired tests compare."""
MIN_JUDGED = 30
"""Slices of fewer cases are reported but not judged: their intervals say more of the sample than of the model."""

Protocol = Literal["full ranking", "candidate lists", "labelled pairs"]


@dataclass(frozen=True, slots=True)
class Slice:
    """One slice: estimates by model and metric, and the candidate minus the champion by the leading metric."""

    name: str
    num_cases: int
    estimates: dict[str, dict[str, Estimate]]
    against_champion: PairedTest | None

    @property
    def judged(self) -> bool:
        """True when the slice is large enough to hold a candidate back."""
        return self.num_cases >= MIN_JUDGED


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """Everything that a report shows and the gate decides on. Models are `model`, `champion` and `popularity`.

    `metrics`: means by model and metric. `intervals`: the same with intervals, of the metrics that are means over
    users. `paired`: candidate minus the other model by metric. `notes`: what was left out, a sentence each.
    """

    protocol: Protocol
    num_cases: int
    metrics: dict[str, dict[str, float]]
    intervals: dict[str, dict[str, Estimate]]
    paired: dict[str, dict[str, PairedTest]]
    slices: tuple[Slice, ...] = ()
    reliability: dict[str, Reliability]
    notes: tuple[str, ...] = ()

    def to_json(self) -> bytes:
        """Canonical JSON, keys sorted."""
        slices = [asdict(part) | {"judged": part.judged} for part in self.slices]
        return json.dumps(asdict(self) | {"slices": slices}, indent=2, sort_keys=True).encode()


def compare(
    protocol: Protocol, measured: Mapping[str, Measured], *, slices: Slices | None = None, notes: Sequence[str] = ()
) -> Evaluation:
    """Intervals, slices and paired tests of models measured on the same cases; `measured["model"]` is the candidate."""
    model = measured["model"]
    return Evaluation(
        protocol=protocol,
        num_cases=len(next(iter(model.per_case.values()))),
        metrics={name: one.means() for name, one in measured.items()},
        intervals=_estimates(measured, list(model.per_case), None),
        paired={name: _paired(model, other) for name, other in measured.items() if name != "model"},
        slices=tuple(_slice(name, mask, measured) for name, mask in (slices or {}).items()),
        reliability={name: one.reliability for name, one in measured.items() if one.reliability is not None},
        notes=tuple(notes),
    )


def _slice(name: str, mask: np.ndarray, measured: Mapping[str, Measured]) -> Slice:
    champion = measured.get("champion")
    test = None
    if champion is not None:
        test = paired_test(measured["model"].per_case[LEADING][mask], champion.per_case[LEADING][mask])
    metrics = [metric for metric in COMPARED if metric in measured["model"].per_case]
    return Slice(name, int(mask.sum()), _estimates(measured, metrics, mask), test)


def _estimates(
    measured: Mapping[str, Measured], metrics: Sequence[str], mask: np.ndarray | None
) -> dict[str, dict[str, Estimate]]:
    """All models in one bootstrap, so that they share their resamples."""
    keys = [(name, metric) for name, one in measured.items() for metric in metrics if metric in one.per_case]
    values = np.stack([measured[name].per_case[metric] for name, metric in keys], axis=1)
    weights = np.stack([_weights(measured[name], metric) for name, metric in keys], axis=1)
    part = slice(None) if mask is None else mask
    found: dict[str, dict[str, Estimate]] = {name: {} for name in measured}
    for (name, metric), estimate in zip(keys, bootstrap(values[part], weights[part]), strict=True):
        if estimate is not None:
            found[name][metric] = estimate
    return found


def _weights(measured: Measured, metric: str) -> Values:
    return measured.weights.get(metric, np.ones_like(measured.per_case[metric]))


def _paired(model: Measured, other: Measured) -> dict[str, PairedTest]:
    shared = [metric for metric in COMPARED if metric in model.per_case and metric in other.per_case]
    return {
        metric: paired_test(model.per_case[metric], other.per_case[metric], _weights(model, metric))
        for metric in shared
    }
