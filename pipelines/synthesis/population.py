"""The users of a world: country, taste, how often they come and since when."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.seeds import generator
from pipelines.synthesis.catalogue import Vectors, unit
from pipelines.synthesis.config import WorldConfig
from pipelines.synthesis.words import COUNTRIES, DEVICES, GENRES

_TASTE_CONCENTRATION = 0.08
_TASTE_SPREAD = 0.25
_ACTIVITY_SIGMA = 0.8
_NEWCOMERS = 0.25


@dataclass(frozen=True, slots=True)
class Population:
    """Parallel arrays over users. `country` and `device` index `COUNTRIES` and `DEVICES`; `activity` sums to 1;
    `vectors` [users, DIM] of unit length; `joined_day` is the first day a user can come."""

    ids: list[str]
    country: NDArray[np.int64]
    device: NDArray[np.int64]
    age: NDArray[np.int64]
    favourites: list[list[str]]
    activity: NDArray[np.float64]
    vectors: Vectors
    joined_day: NDArray[np.int64]


def make_population(config: WorldConfig, genre_vectors: Vectors) -> Population:
    """Users whose taste is a sparse Dirichlet mixture of the genres."""
    rng = generator(config.seed, "population")
    num, names = config.num_users, list(GENRES)
    weights = 1.0 / np.arange(1, len(COUNTRIES) + 1)
    mixture = rng.dirichlet(np.full(len(names), _TASTE_CONCENTRATION), num)
    spread = _TASTE_SPREAD * unit(rng.standard_normal((num, genre_vectors.shape[1])))
    activity = rng.lognormal(0.0, _ACTIVITY_SIGMA, num)
    newcomer = rng.random(num) < _NEWCOMERS
    return Population(
        ids=[f"u{i:0{len(str(num - 1))}d}" for i in range(num)],
        country=rng.choice(len(COUNTRIES), num, p=weights / weights.sum()),
        device=rng.choice(len(DEVICES), num, p=(0.5, 0.25, 0.15, 0.1)),
        age=rng.integers(16, 80, num),
        favourites=[[names[g] for g in row] for row in np.argsort(-mixture, axis=1)[:, :2]],
        activity=activity / activity.sum(),
        vectors=unit(mixture @ genre_vectors + spread),
        joined_day=np.where(newcomer, rng.integers(0, config.num_days, num), 0),
    )
