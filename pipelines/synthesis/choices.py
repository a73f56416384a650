"""Who chooses what and when: sessions in time, and one choice after the other within a user's life."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.seeds import generator
from pipelines.synthesis.catalogue import Catalogue
from pipelines.synthesis.config import WorldConfig
from pipelines.synthesis.popularity import DAYS_A_WEEK, LogPopularity
from pipelines.synthesis.population import Population
from pipelines.synthesis.words import COUNTRIES

_MEAN_SESSION = 6.0
_STEP_S = 900.0
_EVENING_HOUR, _EVENING_SPREAD_H = 20.0, 3.0
_NEIGHBOURS = 48
_FOLLOW_SHARPNESS = 16.0
_CELLS = 8_000_000
"""Entries of the largest table held at once: users of a chunk × items."""

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Visits:
    """Parallel arrays over choices still to be made, by user and time: user row, session number, second, week."""

    user: Ints
    session: Ints
    second: Ints
    week: Ints


@dataclass(frozen=True, slots=True)
class Choices:
    """Visits with the item row chosen; `blind` marks the noise."""

    visits: Visits
    item: Ints
    blind: NDArray[np.bool_]


def make_visits(config: WorldConfig, people: Population, num: int) -> Visits:
    """`num` visits in sessions of geometric length, in the evenings of days since the user joined."""
    rng = generator(config.seed, "visits")
    lengths = rng.geometric(1 / _MEAN_SESSION, num)
    num_sessions = int(np.searchsorted(np.cumsum(lengths), num)) + 1
    lengths = lengths[:num_sessions]
    owner = rng.choice(config.num_users, num_sessions, p=people.activity)
    joined = people.joined_day[owner]
    day = joined + np.floor(rng.random(num_sessions) * (config.num_days - joined))
    hour = rng.normal(_EVENING_HOUR, _EVENING_SPREAD_H, num_sessions) % 24
    start = (day * 24 + hour) * 3600
    order = np.lexsort((start, owner))
    owner, start, lengths = owner[order], start[order], lengths[order]
    session = np.repeat(np.arange(num_sessions), lengths)
    gaps = 60 + rng.exponential(_STEP_S, len(session))
    elapsed = np.cumsum(gaps)
    first = np.cumsum(lengths) - lengths
    second = start[session] + elapsed - elapsed[first][session]
    # A session that would run past the end is cut there, not moved.
    inside = second < config.num_days * 86_400 - 3_600
    user, session, second = owner[session][inside], session[inside], second[inside].astype(np.int64)
    by_time = np.lexsort((second, user))
    week = second // (86_400 * DAYS_A_WEEK)
    return Visits(user[by_time], session[by_time], second[by_time], week[by_time])


def choose(
    config: WorldConfig, catalogue: Catalogue, people: Population, popular: LogPopularity, visits: Visits
) -> Choices:
    """Each visit blind, on from the last item, or by taste; the item drawn from the softmax of that kind."""
    rng = generator(config.seed, "choices")
    kind, draw = rng.random(len(visits.user)), rng.random(len(visits.user))
    blind = kind < config.noise
    follows = (kind >= config.noise) & (kind < config.noise + config.follow)
    follows &= np.r_[False, visits.user[1:] == visits.user[:-1]]  # the first choice of a life follows nothing
    item = np.full(len(visits.user), -1)
    item[blind] = _by_popularity(people, popular, visits, blind, draw)
    by_taste = ~blind & ~follows
    item[by_taste] = _by_taste(config, catalogue, people, popular, visits, by_taste, draw)
    _follow_on(catalogue, popular, visits, item, draw)
    return Choices(visits, item, blind)


def _by_popularity(
    people: Population, popular: LogPopularity, visits: Visits, chosen: NDArray[np.bool_], draw: NDArray[np.float64]
) -> Ints:
    cdf = cumulative(popular.reshape(-1, popular.shape[2]))
    row = visits.week[chosen] * len(COUNTRIES) + people.country[visits.user[chosen]]
    return sample(cdf, row, draw[chosen])


def _by_taste(
    config: WorldConfig,
    catalogue: Catalogue,
    people: Population,
    popular: LogPopularity,
    visits: Visits,
    chosen: NDArray[np.bool_],
    draw: NDArray[np.float64],
) -> Ints:
    """Softmax over all items of popularity + taste · cosine, a week and a chunk of users at a time."""
    user, week, u = visits.user[chosen], visits.week[chosen], draw[chosen]
    item = np.empty(len(user), np.int64)
    step = max(1, _CELLS // config.num_items)
    for start in range(0, config.num_users, step):
        affinity = config.taste * people.vectors[start : start + step] @ catalogue.vectors.T
        country = people.country[start : start + step]
        for w in range(len(popular)):
            here = np.flatnonzero((week == w) & (user >= start) & (user < start + step))
            cdf = cumulative(affinity + popular[w, country])
            item[here] = sample(cdf, user[here] - start, u[here])
    return item


def _follow_on(
    catalogue: Catalogue, popular: LogPopularity, visits: Visits, item: Ints, draw: NDArray[np.float64]
) -> None:
    """Fill the choices that are still −1, in place: softmax over the nearest items of the one before.

    Links of a chain depend on each other, so all chains advance together, one link a turn.
    """
    near, cdf = _neighbours(catalogue, popular)
    open_at = np.flatnonzero(item < 0)
    while len(open_at):
        ready = open_at[item[open_at - 1] >= 0]
        last = item[ready - 1]
        item[ready] = near[last, sample(cdf, last, draw[ready])]
        # A link to an item that is not out yet stays with the one before: a repeat, used last.
        early = np.isneginf(popular[visits.week[ready], 0, item[ready]])
        item[ready[early]] = last[early]
        open_at = open_at[item[open_at] < 0]


def _neighbours(catalogue: Catalogue, popular: LogPopularity) -> tuple[Ints, NDArray[np.float64]]:
    """The most similar items of each item [items, n], and the cumulative chance of each to come next."""
    num = len(catalogue.ids)
    count = min(_NEIGHBOURS, num)
    near = np.empty((num, count), np.int64)
    score = np.empty((num, count), np.float32)
    level = np.where(np.isfinite(popular), popular, 0).mean(axis=(0, 1))
    step = max(1, _CELLS // num)
    for start in range(0, num, step):
        cosine = catalogue.vectors[start : start + step] @ catalogue.vectors.T
        if num > 1:
            cosine[np.arange(len(cosine)), np.arange(start, start + len(cosine))] = -2.0
        near[start : start + step] = np.argpartition(-cosine, count - 1, axis=1)[:, :count]
        score[start : start + step] = np.take_along_axis(cosine, near[start : start + step], axis=1)
    return near, cumulative(_FOLLOW_SHARPNESS * score + 0.5 * level[near].astype(np.float32))


def cumulative(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Row-wise softmax as cumulative sums ending in 1, with the row's number added: one sorted array for all rows."""
    weight = np.exp(logits - logits.max(axis=1, keepdims=True))
    total = np.cumsum(weight, axis=1, dtype=np.float64)
    total /= total[:, -1:]
    total += np.arange(len(total))[:, None]
    return total


def sample(cdf: NDArray[np.float64], row: Ints, draw: NDArray[np.float64]) -> Ints:
    """The column that each uniform draw in [0, 1) falls on, in its row of a `cumulative` table."""
    flat = np.searchsorted(cdf.ravel(), row + draw, side="right") - row * cdf.shape[1]
    return np.asarray(np.minimum(flat, cdf.shape[1] - 1), np.int64)
