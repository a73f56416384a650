"""The ranker of a retraining fits its retrieval recipe, and keeps the lengths of its own histories."""

from __future__ import annotations

import pytest

from pipelines.recipes import load_recipe
from pipelines.retraining.retraining import beside


@pytest.mark.parametrize("name", ["als", "item_knn", "content", "hybrid", "sequence"])
def test_a_long_history_stays_with_retrieval(name: str) -> None:
    changes = ["features.user_buckets=8", "split.protocol=time", "features.recent_length=9"]
    retrieval, ranker = load_recipe(name, changes), load_recipe("ranker")
    made = beside(retrieval, ranker)
    assert made.features.history_length == ranker.features.history_length < retrieval.features.history_length
    assert (made.features.recent_length, made.features.user_buckets) == (ranker.features.recent_length, 8)
    assert (made.split, made.model) == (retrieval.split, ranker.model)
