"""What becomes of a choice: a view, and perhaps a click, then a purchase, rating or opinion."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.errors import ConfigError
from models.events import EventType
from models.seeds import generator
from pipelines.synthesis.catalogue import Catalogue
from pipelines.synthesis.choices import Choices, Ints
from pipelines.synthesis.config import WorldConfig
from pipelines.synthesis.population import Population

TYPES = tuple(EventType)
_MIDDLE, _SLOPE = 0.35, 5.0
_REPEAT_SHARE = 0.03
_RATING_NOISE = 0.7


@dataclass(frozen=True, slots=True)
class Events:
    """Parallel arrays in time order. `type` indexes `TYPES`; `rating` is NaN but for ratings."""

    user: Ints
    item: Ints
    session: Ints
    second: Ints
    type: Ints
    rating: NDArray[np.float64]


def make_events(config: WorldConfig, catalogue: Catalogue, people: Population, choices: Choices) -> Events:
    """Exactly `num_events` events: whole choices at random, the last one cut short where needed."""
    rng = generator(config.seed, "funnel")
    user, item = choices.visits.user, choices.item
    affinity = np.einsum("nd,nd->n", people.vectors[user], catalogue.vectors[item])
    types, rating = _outcomes(rng, affinity, choices.blind)
    taken = _take(rng, config.num_events, choices, (types >= 0).sum(axis=1))
    gaps = rng.integers(4, 40, types.shape)
    gaps[:, 0] = 0
    second = choices.visits.second[:, None] + np.cumsum(gaps, axis=1)
    happened = (types >= 0) & (np.cumsum(types >= 0, axis=1) <= taken[:, None])
    who, step = np.nonzero(happened)
    order = np.lexsort((step, user[who], second[who, step]))
    who, step = who[order], step[order]
    kind = types[who, step]
    stars = np.where(kind == TYPES.index(EventType.RATING), rating[who], np.nan)
    return Events(user[who], item[who], choices.visits.session[who], second[who, step], kind, stars)


def _outcomes(
    rng: np.random.Generator, affinity: NDArray[np.float32], blind: NDArray[np.bool_]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Event types of each choice [choices, 4], −1 for none: view, click, then one deed, then one opinion."""
    num = len(affinity)
    liking = 1 / (1 + np.exp(-_SLOPE * (affinity - _MIDDLE))) * np.where(blind, 0.6, 1.0)
    types = np.full((num, 4), -1)
    types[:, 0] = TYPES.index(EventType.VIEW)
    clicked = rng.random(num) < 0.2 + 0.6 * liking
    types[clicked, 1] = TYPES.index(EventType.CLICK)
    types[clicked & (rng.random(num) < 0.25 * liking), 2] = TYPES.index(EventType.PURCHASE)
    opinion = rng.random(num)
    stars = np.clip(np.round(2 * (1.5 + 3.5 * liking + rng.normal(0, _RATING_NOISE, num))) / 2, 0.5, 5)
    types[clicked & (opinion < 0.2), 3] = TYPES.index(EventType.RATING)
    types[clicked & (opinion > 1 - 0.2 * liking), 3] = TYPES.index(EventType.LIKE)
    averse = rng.random(num) < 0.12 * (1 - liking)
    final = averse & (types[:, 3] < 0)
    types[final & clicked, 3] = TYPES.index(EventType.DISLIKE)
    types[final & ~clicked, 3] = TYPES.index(EventType.HIDE)
    return types, stars


def _take(rng: np.random.Generator, num_events: int, choices: Choices, sizes: Ints) -> Ints:
    """How many events of each choice happen, `num_events` in all.

    People seldom choose an item again: repeats come last and are used only where the rest does not suffice.
    """
    pair = choices.visits.user * (int(choices.item.max()) + 1) + choices.item
    repeat = np.ones(len(pair), np.bool_)
    repeat[np.unique(pair, return_index=True)[1]] = False
    repeat &= rng.random(len(pair)) >= _REPEAT_SHARE
    order = np.lexsort((rng.random(len(pair)), repeat))
    before = np.cumsum(sizes[order]) - sizes[order]
    if before[-1] + sizes[order[-1]] < num_events:
        raise ConfigError(f"{num_events} events do not fit into the world. Give it more days or fewer events.")
    taken = np.empty(len(pair), np.int64)
    taken[order] = np.clip(num_events - before, 0, sizes[order])
    return taken
