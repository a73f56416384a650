"""Fitting `als`: alternating least squares by implicit's solver, with the ridge of each row scaled to its events.

Hu, Koren, Volinsky, "Collaborative Filtering for Implicit Feedback Datasets" (2008); the solver is that of Takács,
Pilászy, Tikk, "Applications of the Conjugate Gradient Method for Implicit Feedback Collaborative Filtering" (2011);
the scaled ridge that of Rendle et al., "Revisiting the Performance of iALS on Item Recommendation Benchmarks" (2022).
implicit takes one ridge a call, so rows of about as many events are solved together.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
from implicit.cpu.als import AlternatingLeastSquares
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2
from scipy.sparse import csr_matrix

from models.features import UserBatch
from models.index.arrays import Vectors
from models.index.vector_index import VectorIndex
from models.model_config import AlsConfig
from models.retrievers.als import AlsSettings, FoldIn, turned
from models.retrievers.history import HistoryRetriever
from models.retrievers.retriever import Retriever
from models.seeds import derive_seed
from pipelines.learning.fitting.material import Material
from pipelines.learning.fitting.reporting import Reporter
from pipelines.learning.fitting.validation import validation_score
from pipelines.learning.runs.indexing import save_index
from pipelines.recipes import Recipe, TrainingConfig

_NUM_GROUPS = (3, 4)
"""Of users and of items. Each costs a product of all factors of the other side; those of users matter less, since their
numbers of events differ less.
"""
_MAX_FACTORS = 256


class _Solved:
    """Users by their rows; who has none is zero."""

    def __init__(self, factors: Vectors) -> None:
        self._factors = factors

    def encode(self, users: UserBatch) -> Vectors:
        """[batch, factors]."""
        known = users.user < len(self._factors)
        return np.where(known[:, None], self._factors[np.where(known, users.user, 0)], 0).astype(np.float32)


class Factorisation:
    """Factors of users and items. Rows lie in the order of their events, so that each group is one slice."""

    def __init__(self, interactions: csr_matrix, config: AlsConfig, seed: int, num_threads: int) -> None:
        self._settings = settings_of(config)
        model = AlternatingLeastSquares(factors=config.factors, num_threads=num_threads)
        self._solve, self._num_threads = model.solver, num_threads
        self._user_order = _by_events(interactions)
        self._item_order = _by_events(interactions.T.tocsr())
        ordered = (interactions[self._user_order][:, self._item_order] * np.float32(1 + config.alpha)).tocsr()
        sides = zip((ordered, ordered.T.tocsr()), _NUM_GROUPS, strict=True)
        self._sides = [list(self._groups(matrix, num_groups)) for matrix, num_groups in sides]
        rng = np.random.default_rng(derive_seed(seed, "als"))
        self._factors = [
            rng.normal(0, 0.1 / np.sqrt(config.factors), (rows, config.factors)).astype(np.float32)
            for rows in interactions.shape
        ]

    def step(self, side: int) -> None:
        """Solve the users (side 0) given the items, or the items (side 1) given the users."""
        solved, given = self._factors[side], self._factors[1 - side]
        for rows, matrix, ridge in self._sides[side]:
            self._solve(matrix, solved[rows], given, ridge, num_threads=self._num_threads)

    def item_factors(self) -> Vectors:
        """[num_items, factors] by item row."""
        factors = np.empty_like(self._factors[1])
        factors[self._item_order] = self._factors[1]
        return factors

    def user_factors(self) -> Vectors:
        """[num_users, factors] by user row."""
        factors = np.empty_like(self._factors[0])
        factors[self._user_order] = self._factors[0]
        return factors

    def retriever(self) -> Retriever:
        """For validation: users as they were solved, which costs less than to fold them in and is nearly the same.

        Where recent events weigh more, only folding in tells.
        """
        if self._settings.recency_half_life:
            index, fold_in = folding(self.item_factors(), self._settings)
            return HistoryRetriever(fold_in, index)
        return HistoryRetriever(_Solved(self.user_factors()), VectorIndex.exact(self.item_factors()))

    def _groups(self, matrix: csr_matrix, num_groups: int) -> Iterator[tuple[slice, csr_matrix, float]]:
        """Slices of rows of like ridges, their part of the matrix, and their mean ridge."""
        ridges = self._settings.ridge(np.diff(matrix.indptr), matrix.shape[1])
        for start, stop in pairwise([0, *_cuts(np.log(ridges), num_groups), len(ridges)]):
            if stop > start:
                rows = slice(start, stop)
                yield rows, matrix[rows], float(ridges[rows].mean())


def fit_als(recipe: Recipe, material: Material, out: Path, reporter: Reporter) -> None:
    """Write the retriever's files into `out`; with validation users, those of the best iteration."""
    assert isinstance(recipe.model, AlsConfig)
    config = scaled(recipe.model, material.interactions)
    factors = best_factors(config, recipe.training, recipe.seed, material, reporter)
    vectors, spectrum = turned(factors)
    fold_in = FoldIn(VectorIndex.exact(vectors), spectrum, settings_of(config))
    save_index(out, vectors, fold_in.encode, material.held_out, recipe.seed)
    fold_in.save(out)


def best_factors(
    config: AlsConfig, training: TrainingConfig, seed: int, material: Material, reporter: Reporter
) -> Vectors:
    """[num_items, factors] after `training.epochs` iterations, or of the best before `training.patience` ran out."""
    patience, held_out = training.patience, material.held_out
    num_events = material.interactions.nnz
    model = Factorisation(material.interactions, config, seed, material.num_threads)
    best, best_score, best_epoch = model.item_factors(), -1.0, 0
    for epoch in range(1, training.epochs + 1):
        started = time.monotonic()
        for side in (0, 1):
            reporter.live(epoch, side * num_events // 2, num_events)
            model.step(side)
        scores = validation_score(model.retriever(), held_out)
        score = sum(scores.values())
        if not scores or score > best_score:
            best, best_score, best_epoch = model.item_factors(), score, epoch
        reporter.record(epoch, num_events, time.monotonic() - started, **scores)
        if scores and patience and epoch - best_epoch >= patience:
            break
    return best


def folding(factors: Vectors, settings: AlsSettings) -> tuple[VectorIndex, FoldIn]:
    """The exact index of [num_items, factors] item factors, and what folds users into it."""
    vectors, spectrum = turned(factors)
    index = VectorIndex.exact(vectors)
    return index, FoldIn(index, spectrum, settings)


def settings_of(config: AlsConfig) -> AlsSettings:
    """What folding in needs of the settings."""
    return AlsSettings(config.alpha, config.regularization, config.recency_half_life)


def scaled(config: AlsConfig, interactions: csr_matrix) -> AlsConfig:
    """The settings with each 0 replaced by what the data asks for: see `docs/models/als.md`.

    The powers of alpha and of the ridge follow the best published settings of three sets (Rendle et al., 2022), whose
    densities differ by 40 and whose numbers of events by 30; the rest is from validation on three sets of MovieLens.
    """
    num_users, num_items = interactions.shape
    num_events = max(interactions.nnz, 1)
    factors = max(min(8 * round(num_events**0.5 / 32), _MAX_FACTORS, min(num_users, num_items) // 4), 1)
    density = num_events / max(num_users * num_items, 1)
    return replace(
        config,
        factors=config.factors or factors,
        alpha=config.alpha or 0.7 / density**0.5,
        regularization=config.regularization or 0.2 / num_events**0.25,
    )


def _cuts(values: NDArray[np.float64], num_groups: int) -> list[int]:
    """Where ascending values are cut into groups that lie close together: k-means, begun at their quantiles."""
    first = np.quantile(values, (np.arange(num_groups) + 0.5) / num_groups)
    with warnings.catch_warnings(action="ignore"):  # of an empty group: then there are fewer
        centres, _ = kmeans2(values, first, minit="matrix", missing="warn")
    return [int(cut) for cut in np.searchsorted(values, (centres[1:] + centres[:-1]) / 2)]


def _by_events(matrix: csr_matrix) -> NDArray[np.int64]:
    """Rows from the fewest events to the most."""
    return np.argsort(np.diff(matrix.indptr), kind="stable")
