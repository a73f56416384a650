"""Items that nobody has turned to yet, on MovieLens-1M. Prints a table.

A tenth of the items is withheld from training with all its events, by five seeds. Users who turned to some of them
rank the withheld items alone, by what is known of the rest; NDCG@10, mean over users. Beside each recipe stand random
order and popularity by genre: a withheld item scores the mean popularity of its genres, a genre's popularity being its
training events for each of its training items.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pytest
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from models.features import UserBatch, no_profiles, pad_history
from models.item_table import SCHEMA, ItemTable
from models.retrievers.hybrid import CONTENT, HybridRetriever, Source
from models.retrievers.loading import describe_retriever, load_retriever
from models.retrievers.retriever import Retriever
from models.seeds import generator
from pipelines.learning.fitting.fitting import fit
from pipelines.learning.fitting.item_texts import ItemTexts
from pipelines.learning.fitting.material import Material
from pipelines.recipes import Recipe, load_recipe
from tests.benchmarks.movielens import read_events, read_items

pytestmark = pytest.mark.slow

RECIPES = {"als": [], CONTENT: [], "content, unsupervised": ["model.supervised=false"]}
HISTORY = 1_000
"""Events of a user that every recipe here takes."""
SEEDS = range(5)
MIN_OVER_RANDOM, MIN_OVER_GENRES = 5.0, 2.0
Scores = NDArray[np.float64]


class World:
    """Users, items and who had what; `withheld` items are in no training event."""

    def __init__(self, folder: Path) -> None:
        self.movies = read_items(folder).sort("item_id")
        rows = self.movies.select("item_id").with_row_index("item_row")
        self.events = read_events(folder).join(rows, on="item_id").sort("user_id", "position")
        self.user_rows = self.events["user_id"].rank("dense").to_numpy().astype(np.int64) - 1
        self.item_rows = self.events["item_row"].to_numpy().astype(np.int64)
        self.shape = (int(self.user_rows.max()) + 1, len(self.movies))

    def withheld(self, seed: int) -> NDArray[np.int64]:
        """A tenth of the items that have events."""
        known = np.unique(self.item_rows)
        return np.sort(generator(seed, "withheld").choice(known, len(known) // 10, replace=False))

    def matrix(self, kept: NDArray[np.bool_]) -> csr_matrix:
        """[num_users, num_items] of the events that `kept` marks."""
        return csr_matrix((np.ones(kept.sum(), np.float32), (self.user_rows[kept], self.item_rows[kept])), self.shape)

    def material(self, withheld: NDArray[np.int64]) -> Material:
        """What a recipe is fitted on."""
        interactions = self.matrix(~np.isin(self.item_rows, withheld))
        counts = np.asarray(interactions.sum(axis=0)).ravel().astype(np.int64)
        columns = [
            pl.lit(None).alias(n) if n not in self.movies.columns else pl.col(n)
            for n in SCHEMA.names
            if n[:4] != "num_"
        ]
        table = self.movies.select(columns).with_columns(pl.Series("num_interactions", counts)).select(SCHEMA.names)
        words = self.movies.select(pl.concat_str("title", "description", separator="\n", ignore_nulls=True))
        labels = [[f"category {name}" for name in names] for names in self.movies["categories"]]
        texts = ItemTexts(words.to_series().to_list(), labels)
        return Material(interactions, ItemTable(pa.table(table.to_arrow()).cast(SCHEMA)), lambda: texts, num_threads=2)

    def users(self, withheld: NDArray[np.int64], length: int) -> UserBatch:
        """Every user by their newest training events."""
        kept = ~np.isin(self.item_rows, withheld)
        ends = np.cumsum(np.bincount(self.user_rows[kept], minlength=self.shape[0]))[:-1]
        histories = [pad_history(rows, length) for rows in np.split(self.item_rows[kept], ends)]
        nothing = np.zeros(len(histories), np.int64)
        return UserBatch(nothing, nothing, np.stack(histories), nothing, no_profiles(len(histories)))


def fitted(recipe: Recipe, material: Material, folder: Path) -> Retriever:
    """What a recipe finds candidates with."""
    folder.mkdir()
    fit(recipe, material, folder)
    describe_retriever(folder, recipe.model.kind, recipe.features)
    return load_retriever(folder, material.items)


def fused(sources: Mapping[str, Retriever], material: Material) -> Retriever:
    """A hybrid of equal weights; content alone is left of it where nothing is known of an item, whatever they are."""
    made = [Source(name, retriever, HISTORY, name == CONTENT) for name, retriever in sources.items()]
    return HybridRetriever(made, np.asarray(material.items.counts))


def scored(retriever: Retriever, world: World, withheld: NDArray[np.int64]) -> Scores:
    """[num_users, num_withheld] scores by a retriever that never saw the withheld items."""
    users = world.users(withheld, HISTORY)
    parts = [users.take(slice(start, start + 128)) for start in range(0, len(users), 128)]
    return np.concatenate([_scores(retriever, part, withheld) for part in parts])


def _scores(retriever: Retriever, users: UserBatch, items: NDArray[np.int64]) -> Scores:
    owner = np.repeat(np.arange(len(users)), len(items))
    return retriever.scores(users, owner, np.tile(items, len(users))).reshape(len(users), -1).astype(np.float64)


def by_genre(world: World, withheld: NDArray[np.int64]) -> Scores:
    """[num_users, num_withheld], the same for every user."""
    counts = np.bincount(world.item_rows[~np.isin(world.item_rows, withheld)], minlength=world.shape[1])
    names = sorted({name for genres in world.movies["categories"] for name in genres})
    has = np.asarray([[name in genres for name in names] for genres in world.movies["categories"]], float)
    training = ~np.isin(np.arange(world.shape[1]), withheld)
    popularity = counts[training] @ has[training] / has[training].sum(axis=0)
    return np.tile((has @ popularity / has.sum(axis=1))[withheld], (world.shape[0], 1))


def ndcg_at_10(scores: Scores, relevant: NDArray[np.bool_]) -> float:
    """Mean over the users who have something relevant; of equal scores the irrelevant comes first."""
    some = relevant.any(axis=1)
    scores, relevant = scores[some], relevant[some]
    order = np.lexsort((relevant, -scores), axis=1)[:, :10]
    discount = 1 / np.log2(np.arange(10) + 2.0)
    ideal = np.concatenate([[0.0], np.cumsum(discount)])[np.minimum(relevant.sum(axis=1), 10)]
    return float((np.take_along_axis(relevant, order, axis=1) @ discount / ideal).mean())


@pytest.mark.timeout(1800)
def test_cold_items(shared_data: Path, tmp_path: Path) -> None:
    world = World(shared_data / "ml-1m")
    started = time.monotonic()
    table: dict[str, list[float]] = {name: [] for name in ("random", "popularity by genre")}
    for seed in SEEDS:
        withheld = world.withheld(seed)
        relevant = world.matrix(np.ones(len(world.item_rows), np.bool_))[:, withheld].toarray() > 0
        draws = (generator(seed, "random", n).random(relevant.shape) for n in range(5))
        table["random"].append(float(np.mean([ndcg_at_10(draw, relevant) for draw in draws])))
        table["popularity by genre"].append(ndcg_at_10(by_genre(world, withheld), relevant))
        material = world.material(withheld)
        found = {
            name: fitted(load_recipe(name.split(",")[0], settings), material, tmp_path / f"{name}-{seed}")
            for name, settings in RECIPES.items()
        }
        found["hybrid"] = fused({name: found[name] for name in ("als", CONTENT)}, material)
        for name, retriever in found.items():
            table.setdefault(name, []).append(ndcg_at_10(scored(retriever, world, withheld), relevant))
    random = np.asarray(table["random"])
    print(f"\n{len(SEEDS)} seeds in {time.monotonic() - started:.0f} s; NDCG@10 among the withheld, and times random")
    for name, values in table.items():
        times = np.asarray(values) / random
        print(f"{name:<24}{np.mean(values):>8.4f}{times.mean():>8.2f}  " + " ".join(f"{t:.2f}" for t in times))
    means = {name: float(np.mean(values)) for name, values in table.items()}
    for name in ("content", "hybrid"):
        assert means[name] >= MIN_OVER_RANDOM * means["random"]
        assert means[name] >= MIN_OVER_GENRES * means["popularity by genre"]
