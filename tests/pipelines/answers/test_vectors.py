"""The vectors in the lake are those that serving would use, one row a user or item, whatever is run how often."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from scipy.sparse import identity

from cluster.delta.lake import Lake
from cluster.registry import Registry
from cluster.sqlite.store import SqliteStore
from models.errors import InputError
from models.events import INTERACTIONS, EventType
from models.manifest import Manifest
from models.recommender import Recommender
from models.retrievers.item_knn import ItemKnnRetriever
from models.retrievers.loading import describe_retriever
from models.tables import Table
from models.user_state import HistoryEvent, UserState
from pipelines import embeddings
from pipelines.answers import vectors
from pipelines.answers.vectors import VectorSummary, user_rows, write_vectors
from tests.models.tiny_bundle import ITEMS, NOW, SPEC, user, write_bundle

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("ray_session")]

START = datetime(2026, 1, 1, tzinfo=UTC)
PEOPLE = {f"user-{n}": [ITEMS[n % 6], ITEMS[(n + 2) % 6]] for n in range(9)} | {"lost": ["no-such-item"]}
KNOWN = sorted(PEOPLE.keys() - {"lost"})


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    home = tmp_path_factory.mktemp("registry")
    registry = Registry(str(home / "registry"))
    for version in ("v1", "v2"):
        publish(registry, write_bundle(home / version), version, "two_tower")
    neighbours = write_bundle(home / "neighbours")
    describe_retriever(neighbours, "item_knn", SPEC)
    ItemKnnRetriever(identity(len(ITEMS), np.float32, format="csr"), 0.0).save(neighbours)
    publish(registry, neighbours, "neighbours", "item_knn")
    registry.promote("v1")
    return registry


@pytest.fixture(scope="module")
def lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    lake = Lake(str(tmp_path_factory.mktemp("lake")))
    append(lake, PEOPLE)
    return lake


def publish(registry: Registry, folder: Path, version: str, recipe: str) -> None:
    manifest = Manifest(
        version=version,
        created_at=NOW.isoformat(),
        recipe=recipe,
        config={},
        data={},
        feature_digest=SPEC.digest(),
        metrics={},
    )
    registry.publish(folder, manifest)


def append(lake: Lake, people: dict[str, list[str]]) -> None:
    rows = [
        {
            "interaction_id": f"{user_id}-{item_id}",
            "user_id": user_id,
            "item_id": item_id,
            "event_type": "click",
            "timestamp": START + timedelta(hours=place),
            "date": START.date(),
        }
        for user_id, item_ids in people.items()
        for place, item_id in enumerate(item_ids)
    ]
    lake.append(Table.INTERACTIONS, pa.Table.from_pylist(rows, INTERACTIONS))


def read(lake: Lake, table: Table, key: str) -> dict[str, dict[str, object]]:
    rows = lake.read(table).to_pylist()
    by_key = {row[key]: row for row in rows}
    assert len(by_key) == len(rows)
    return by_key


def clicked(item_ids: Sequence[str]) -> tuple[HistoryEvent, ...]:
    moments = [START + timedelta(hours=place) for place in range(len(item_ids))]
    return tuple(
        HistoryEvent(item_id, EventType.CLICK, int(moment.timestamp() * 1e6))
        for item_id, moment in zip(item_ids, moments, strict=True)
    )


def test_the_command_writes_the_vectors_of_serving(
    registry: Registry,
    lake: Lake,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("SHOAL_STORE", f"sqlite:///{tmp_path}/online.db")
    assert embeddings.main(["--lake", lake.uri, "--registry", registry.uri]) == 0
    assert capsys.readouterr().out == (
        "vectors of version v1: 6 items and 9 users; 15 rows of the lake are new or changed; "
        "15 are in the online store\n"
    )
    recommender = Recommender.load(registry.fetch("v1"), "v1")
    items = read(lake, Table.ITEM_EMBEDDINGS, "item_id")
    now = items[ITEMS[0]]["updated_at"]
    assert isinstance(now, datetime)
    assert list(map(items.__getitem__, ITEMS)) == [
        {"item_id": item_id, "vector": list(vector), "model_version": "v1", "updated_at": now}
        for item_id, vector in zip(ITEMS, recommender.item_vectors(), strict=True)
    ]
    users = read(lake, Table.USER_EMBEDDINGS, "user_id")
    assert sorted(users) == KNOWN
    expected = recommender.user_vectors([UserState(name, now, clicked(PEOPLE[name])) for name in KNOWN])
    np.testing.assert_allclose([users[name]["vector"] for name in KNOWN], expected, rtol=1e-5, atol=1e-6)
    [*online] = SqliteStore(f"{tmp_path}/online.db").user_vectors(KNOWN)
    np.testing.assert_allclose([kept.vector for kept in online if kept], expected, atol=2**-10 * np.abs(expected).max())


def test_no_store_is_made_without_it(
    registry: Registry, lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOAL_HOME", str(tmp_path))
    assert embeddings.main(["--lake", lake.uri, "--registry", registry.uri, "--no-store"]) == 0
    assert list(tmp_path.iterdir()) == []


def test_again_only_what_differs_is_written(registry: Registry, lake: Lake) -> None:
    append(lake, {"user-3": ["item-4"], "new": ["item-1"]})
    now = read(lake, Table.ITEM_EMBEDDINGS, "item_id")[ITEMS[0]]["updated_at"]
    version = lake.version(Table.ITEM_EMBEDDINGS)
    assert isinstance(now, datetime)
    assert write_vectors(lake, registry.uri, "v1", now=now) == VectorSummary("v1", 6, 10, 2)
    assert lake.version(Table.ITEM_EMBEDDINGS) == version
    assert sorted(read(lake, Table.USER_EMBEDDINGS, "user_id")) == sorted([*KNOWN, "new"])


def test_a_run_that_broke_off_is_finished_by_the_next(
    registry: Registry, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Breaking(Lake):
        """The real lake, in a process that dies at its second upsert."""

        left = 1

        def upsert(self, table: Table, rows: pa.Table) -> int:
            if self.left == 0:
                raise KeyboardInterrupt
            self.left -= 1
            return super().upsert(table, rows)

    monkeypatch.setattr(vectors, "UPSERT_ROWS", 4)
    with pytest.raises(KeyboardInterrupt):
        write_vectors(Breaking(lake.uri), registry.uri, "v2", now=NOW)
    some = ["user-1", "user-2", "nobody"]
    assert write_vectors(lake, registry.uri, "v2", some, NOW) == VectorSummary("v2", 6, 2, 2 + 2)
    users = read(lake, Table.USER_EMBEDDINGS, "user_id")
    assert {name for name, row in users.items() if row["model_version"] == "v2"} == {"user-1", "user-2"}
    assert {row["model_version"] for row in read(lake, Table.ITEM_EMBEDDINGS, "item_id").values()} == {"v2"}


def test_nobody_makes_an_empty_table(registry: Registry) -> None:
    recommender = Recommender.load(registry.fetch("v1"), "v1")
    assert len(user_rows(recommender, [user("stranger")], "v1", NOW)) == 0


def test_a_recipe_without_vectors_says_so(registry: Registry, tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "lake"))
    with pytest.raises(InputError, match=r"version neighbours is of recipe item_knn, whose users and items are no"):
        write_vectors(lake, registry.uri, "neighbours")
    assert not lake.exists(Table.ITEM_EMBEDDINGS)
