"""The items of a world: genre mixtures, taste vectors, and what people read of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from models.seeds import generator
from pipelines.synthesis.config import WorldConfig
from pipelines.synthesis.words import ADJECTIVES, GENRES, PLACES

DIM = 16
_ITEM_SPREAD = 0.45
_GENRE_CONCENTRATION = 0.12
_MIN_SHARE = 0.2
_NEW_SHARE = 0.15
_BACK_CATALOGUE_YEARS = 9.0

Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """`vectors` [items, DIM] of unit length; `genres` lists of names, the strongest first; `released_day` counts
    from the first day of the world and is negative for the back catalogue."""

    ids: list[str]
    titles: list[str]
    genres: list[list[str]]
    tags: list[list[str]]
    vectors: Vectors
    genre_vectors: Vectors
    released_day: NDArray[np.int64]

    def released(self, config: WorldConfig) -> list[date]:
        """Calendar dates of `released_day`."""
        first = config.end - timedelta(days=config.num_days)
        return [first + timedelta(days=int(day)) for day in self.released_day]


def make_catalogue(config: WorldConfig) -> Catalogue:
    """Items with Dirichlet mixtures of the genres; their vectors are the mixture's plus a spread of their own."""
    rng = generator(config.seed, "catalogue")
    names = list(GENRES)
    genre_vectors = unit(rng.standard_normal((len(names), DIM)))
    mixture = rng.dirichlet(np.full(len(names), _GENRE_CONCENTRATION), config.num_items)
    vectors = unit(mixture @ genre_vectors + _ITEM_SPREAD * unit(rng.standard_normal((config.num_items, DIM))))
    order = np.argsort(-mixture, axis=1)[:, :3]
    genres = [[names[g] for g in row if g == row[0] or mixture[i, g] >= _MIN_SHARE] for i, row in enumerate(order)]
    return Catalogue(
        ids=[f"i{i:0{len(str(config.num_items - 1))}d}" for i in range(config.num_items)],
        titles=_titles(rng, genres),
        genres=genres,
        tags=[_tags(rng, row) for row in genres],
        vectors=vectors,
        genre_vectors=genre_vectors,
        released_day=_released(rng, config),
    )


def unit(vectors: NDArray[np.float64]) -> Vectors:
    """Each row scaled to length 1."""
    scaled: Vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    return scaled


def _released(rng: np.random.Generator, config: WorldConfig) -> NDArray[np.int64]:
    """A share of the items appears during the world, the rest exponentially far back."""
    back = -1 - np.floor(rng.exponential(_BACK_CATALOGUE_YEARS * 365, config.num_items)).clip(0, 50 * 365)
    new = rng.integers(0, config.num_days, config.num_items)
    return np.where(rng.random(config.num_items) < _NEW_SHARE, new, back).astype(np.int64)


def _titles(rng: np.random.Generator, genres: list[list[str]]) -> list[str]:
    """One title an item; a title made before gets a number, as sequels do."""
    made: dict[str, int] = {}
    titles = []
    for row in genres:
        title = _title(rng, GENRES[row[0]][0])
        made[title] = made.get(title, 0) + 1
        titles.append(title if made[title] == 1 else f"{title}, Part {made[title]}")
    return titles


def _title(rng: np.random.Generator, nouns: tuple[str, ...]) -> str:
    noun, other = (nouns[i] for i in rng.choice(len(nouns), 2, replace=False))
    adjective = ADJECTIVES[rng.integers(len(ADJECTIVES))]
    place = PLACES[rng.integers(len(PLACES))]
    patterns = (
        f"The {adjective} {noun}",
        f"{adjective} {noun}",
        f"The {noun} of {place}",
        f"{noun} and {other}",
        f"The {adjective} {noun} of {place}",
        f"A {noun} in {place}",
        f"Goodbye, {adjective} {noun}",
    )
    return patterns[rng.integers(len(patterns))]


def _tags(rng: np.random.Generator, genres: list[str]) -> list[str]:
    pool = [tag for genre in genres for tag in GENRES[genre][1]]
    count = int(rng.integers(1, min(4, len(pool)) + 1))
    return [pool[i] for i in sorted(rng.choice(len(pool), count, replace=False))]
