"""A bonus for what is new, halved with every half-life of its age."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Freshness:
    """`weight`: the bonus of an item published now, on the scale of relevance, 0 to 1. `half_life_s`: seconds."""

    weight: float
    half_life_s: float

    def __post_init__(self) -> None:
        if not (self.half_life_s > 0 and np.isfinite(self.half_life_s) and np.isfinite(self.weight)):
            raise ConfigError(
                f"freshness needs a finite weight and a half-life above 0 s; got {self.weight} and {self.half_life_s}."
            )

    def bonus(self, published_us: NDArray[np.int64], now_us: int) -> NDArray[np.float64]:
        """The bonus of each item; none where its time is unknown (negative), the whole for one of the future."""
        age_s = np.maximum(now_us - published_us, 0) / 1e6
        bonus = self.weight * np.exp2(-age_s / self.half_life_s)
        return np.where(published_us >= 0, bonus, 0.0)
