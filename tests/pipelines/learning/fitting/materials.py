"""The checkerboard world as a fit sees it, without a lake and without Ray."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from scipy.sparse import csr_matrix

from models.item_table import SCHEMA, ItemTable
from models.popularity import FILE as POPULAR_FILE
from models.popularity import popular_lists
from models.recommender import Recommender
from models.retrievers.loading import describe_retriever
from models.vocabulary import USERS_FILE
from pipelines.learning.fitting.fitting import fit
from pipelines.learning.fitting.item_texts import ItemTexts
from pipelines.learning.fitting.material import Material
from pipelines.recipes import Recipe
from tests.pipelines.learning.checkerboard import SIZE, item, user

TITLES = [f"{('Even', 'Odd')[n % 2]} story" for n in range(SIZE)]


def checkerboard(titles: Sequence[str] = TITLES) -> Material:
    """User n had every item of their half but item n, as in the log of `checkerboard.py`, all of it training."""
    n, i = np.indices((SIZE, SIZE))
    had = (n % 2 == i % 2) & (n != i)
    return Material(csr_matrix(had.astype(np.float32)), items(), lambda: ItemTexts(list(titles), [[]] * SIZE))


def items() -> ItemTable:
    """The items of the world."""
    columns = {"item_id": [item(n) for n in range(SIZE)], "num_interactions": [SIZE // 2 - 1] * SIZE}
    filled = {name: columns.get(name, [None] * SIZE) for name in SCHEMA.names}
    return ItemTable(pa.table(filled, schema=SCHEMA))


def fitted(recipe: Recipe, material: Material, folder: Path) -> Recommender:
    """Fit, complete the bundle with what every one holds, and load it."""
    fit(recipe, material, folder)
    describe_retriever(folder, recipe.model.kind, recipe.features)
    material.items.save(folder)
    pq.write_table(pa.table({"user_id": [user(n) for n in range(SIZE)]}), folder / USERS_FILE)
    nothing = pl.DataFrame(schema={"country": pl.String, "item_row": pl.Int64, "score": pl.Float64})
    pq.write_table(popular_lists(nothing, SIZE), folder / POPULAR_FILE)
    return Recommender.load(folder, "fitted", recipe.features.digest())
