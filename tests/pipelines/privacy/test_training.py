"""Training learns nothing of who was erased while it went on, or who refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cluster.delta.consent import keep_consent
from cluster.delta.erasure import forget_past
from cluster.delta.lake import Lake
from cluster.storage import Folder
from models.errors import ShoalError
from models.tables import Table
from models.vocabulary import USERS_FILE
from pipelines.learning import trainer
from pipelines.learning.data.corpus import load_corpus
from pipelines.learning.trainer import train
from pipelines.recipes import load_recipe
from tests.pipelines.learning.checkerboard import user, write_checkerboard

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("ray_session")]


def test_a_run_that_an_erasure_overtook_is_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lake, runs = Lake(str(tmp_path / "lake")), str(tmp_path / "runs")
    write_checkerboard(lake)
    recipe = load_recipe("item_knn", ["training.refit=false"])

    def overtaken(_: Any, uri: str, *__: Any) -> None:
        Folder(uri).child("export").write(USERS_FILE, user(0).encode())
        assert lake.erase(Table.INTERACTIONS, "user_id", [user(0)])
        forget_past(lake, Table.INTERACTIONS)

    monkeypatch.setattr(trainer, "fit_in_task", overtaken)
    with pytest.raises(ShoalError, match="an erasure has changed since"):
        train(recipe, lake, runs, run_id="first")
    assert list((tmp_path / "runs").rglob(USERS_FILE)) == []
    keep_consent(lake, [user(1)], False)
    known = load_corpus(recipe, lake.pinned()).users.ids
    assert {user(0), user(1)}.isdisjoint(known)
    assert user(2) in known
