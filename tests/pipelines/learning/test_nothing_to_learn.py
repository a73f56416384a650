"""A log in which nothing comes after anything teaches a sequence model nothing, and the run says so."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from cluster.delta.lake import Lake
from models.errors import InputError
from pipelines.learning.trainer import train
from pipelines.recipes import load_recipe
from tests.benchmarks.protocols import append
from tests.pipelines.learning.checkerboard import START

pytestmark = pytest.mark.slow


def test_users_of_one_event_teach_no_order(ray_session: None, tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "lake"))
    pairs = pl.DataFrame({"user_id": list("abcd"), "item_id": list("wxyz"), "timestamp": [START] * 4})
    append(lake, pairs)
    recipe = load_recipe("sequence", ["model.embedding_dim=8"])
    with pytest.raises(InputError, match="no user has a training event that comes after another"):
        train(recipe, lake, str(tmp_path / "runs"))
