"""Fitting `content`: vectors of texts, and where there are events, of what in the texts tells who turns to an item.

The second is attribute-to-factor mapping (Gantner et al., "Learning Attribute-to-Feature Mappings for Cold-Start
Recommendations", 2010, section 4.3): a ridge regression from text vectors to the factors of `als`. Users are folded in
by the factors of the items they had; what they are offered are the mapped vectors, so that an item without a single
event is on an equal footing.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import RidgeCV

from models.index.arrays import Vectors
from models.index.vector_index import VectorIndex
from models.model_config import AlsConfig, ContentConfig
from models.retrievers.content import HISTORY_FILE, load_content, save_content, with_last
from pipelines.learning.fitting.als import best_factors, folding, scaled, settings_of
from pipelines.learning.fitting.material import Material
from pipelines.learning.fitting.reporting import Reporter
from pipelines.learning.fitting.text_encoders import make_encoder
from pipelines.learning.fitting.validation import validation_score
from pipelines.learning.runs.indexing import save_index
from pipelines.recipes import Recipe, TrainingConfig

_ITERATIONS = 8
_MIN_EXAMPLES = 100
"""Items with text and events that a regression is worth trying on."""
_RIDGES = tuple(10.0**power for power in (-2, -1.5, -1, -0.5, 0, 0.5, 1, 1.5, 2))


def fit_content(recipe: Recipe, material: Material, out: Path, reporter: Reporter) -> None:
    """Write the retriever's files into `out`."""
    assert isinstance(recipe.model, ContentConfig)
    started = time.monotonic()
    vectors = make_encoder(recipe.model, recipe.seed).encode(material.texts())
    taught = vectors.any(axis=1) & (np.diff(material.interactions.tocsc().indptr) > 0)
    supervised = recipe.model.supervised and int(taught.sum()) >= _MIN_EXAMPLES
    if supervised:
        vectors = _mapped(recipe, material, vectors, taught, out, reporter)
    save_content(out, supervised, recipe.model.recency_half_life)
    vectors = with_last(vectors)
    encode = load_content(out, VectorIndex.exact(vectors)).user_vectors
    index = save_index(out, vectors, encode, material.held_out, recipe.seed)
    scores = validation_score(load_content(out, index), material.held_out)
    reporter.record(1, material.interactions.nnz, time.monotonic() - started, **scores)


def _mapped(
    recipe: Recipe, material: Material, texts: Vectors, taught: NDArray[np.bool_], out: Path, reporter: Reporter
) -> Vectors:
    """[num_items, factors] from [num_items, dim] vectors of texts, and beside them the files that fold users in."""
    assert isinstance(recipe.model, ContentConfig)
    recency = recipe.model.recency_half_life
    config = scaled(AlsConfig(recency_half_life=recency), material.interactions)
    training = TrainingConfig(epochs=_ITERATIONS)
    # Its iterations are no epochs of this recipe: nothing of them is recorded.
    factors = best_factors(config, training, recipe.seed, replace(material, held_out=None), _Live(reporter))
    history, fold_in = folding(factors, settings_of(config))
    history.save(out / HISTORY_FILE)
    fold_in.save(out)
    known = history.vectors(np.flatnonzero(taught))
    regression = RidgeCV(_RIDGES).fit(texts[taught], known)
    mapped = regression.predict(texts).astype(np.float32)
    return np.asarray(np.where(texts.any(axis=1, keepdims=True), mapped, 0.0), np.float32)


class _Live(Reporter):
    """Passes on how far it has come, and no record."""

    def __init__(self, reporter: Reporter) -> None:
        self.live = reporter.live  # type: ignore[method-assign]
