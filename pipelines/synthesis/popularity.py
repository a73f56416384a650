"""How attractive an item is to a whole country in a given week."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.seeds import generator
from pipelines.synthesis.catalogue import Catalogue
from pipelines.synthesis.config import WorldConfig
from pipelines.synthesis.words import COUNTRIES

DAYS_A_WEEK = 7
_BASE_SIGMA = 0.9
_COUNTRY_SIGMA = 0.5
_DRIFT_SIGMA = 0.2
_NOVELTY = 1.5
_NOVELTY_DAYS = 21.0

LogPopularity = NDArray[np.float32]


def log_popularity(config: WorldConfig, catalogue: Catalogue) -> LogPopularity:
    """[weeks, countries, items] in nats: base + country + random walk by week + novelty; −∞ before the release."""
    rng = generator(config.seed, "popularity")
    num = config.num_items
    weeks = -(-config.num_days // DAYS_A_WEEK)
    base = rng.normal(0, _BASE_SIGMA, num)
    country = rng.normal(0, _COUNTRY_SIGMA, (len(COUNTRIES), num))
    walk = np.cumsum(rng.normal(0, _DRIFT_SIGMA, (weeks, num)), axis=0)
    # An item counts from the first week that begins after its release: no event comes before the item is out.
    age_days = np.arange(weeks)[:, None] * DAYS_A_WEEK - catalogue.released_day[None, :]
    novelty = np.where(age_days >= 0, _NOVELTY * np.exp(-np.maximum(age_days, 0) / _NOVELTY_DAYS), -np.inf)
    out: LogPopularity = (base + country[None] + (walk + novelty)[:, None]).astype(np.float32)
    return out
