"""What one model earned: a value a case for each metric, so that cases can be resampled, sliced and compared."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from models.metrics import Reliability, mean
from models.metrics.hits import Values


@dataclass(frozen=True, slots=True)
class Measured:
    """Metrics of one model over cases, each of another user.

    `per_case`: one value a case, [num_cases], NaN where a case has none. `weights`: of the metrics whose mean is
    weighted, [num_cases]. `overall`: metrics that only all cases together have. Keys are `ndcg@10` and so on.
    """

    per_case: Mapping[str, Values]
    overall: Mapping[str, float] = field(default_factory=dict)
    weights: Mapping[str, Values] = field(default_factory=dict)
    reliability: Reliability | None = None

    def means(self) -> dict[str, float]:
        """One number a metric; 0.0 for a metric of which no case has a value."""
        means = {name: mean(values, self.weights.get(name)) for name, values in self.per_case.items()}
        return {name: 0.0 if math.isnan(value) else value for name, value in means.items()} | dict(self.overall)
