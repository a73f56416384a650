"""From the lake to answers: what is known of a newcomer and of a new item is all there is to go by."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from cluster.delta.lake import Lake
from models.catalogue import ITEMS, USERS
from models.events import INTERACTIONS
from models.recommender import Recommender
from models.tables import Table
from models.user_state import UserState
from pipelines.learning.trainer import train
from pipelines.recipes import load_recipe

pytestmark = pytest.mark.slow

NUM_USERS, NUM_ITEMS, NUM_EVENTS = 60, 200, 12
START = datetime(2026, 1, 1, tzinfo=UTC)
KINDS = {"a": "War", "b": "Love"}
SETTINGS = [
    "model.embedding_dim=16",
    "model.hidden_dim=16",
    "training.num_workers=1",
    "training.epochs=24",
    "training.batch_size=32",
    "training.validation_users=0",
    "training.refit=false",
    "optimizer.table_learning_rate=0.1",
    "optimizer.dense_learning_rate=0.01",
    "split.protocol=none",
]


def kind_of(n: int) -> str:
    return "ab"[n % 2]


def world(uri: str) -> Lake:
    """Users of kind a turn to war, those of kind b to love; nobody has turned to the last item of either."""
    lake = Lake(uri)
    users = [
        {"user_id": f"user-{n}", "attributes": f'{{"kind": "{kind_of(n)}", "likes": ["x"]}}', "updated_at": START}
        for n in range(NUM_USERS)
    ]
    items = [
        {"item_id": f"item-{n}", "title": f"{KINDS[kind_of(n)]} {n:03}", "updated_at": START} for n in range(NUM_ITEMS)
    ] + [{"item_id": f"new-{kind}", "title": title, "updated_at": START} for kind, title in KINDS.items()]
    events = []
    for n in range(NUM_USERS):
        for step in range(NUM_EVENTS):
            moment = START + timedelta(minutes=step * NUM_USERS + n)
            events.append(
                {
                    "interaction_id": f"{n}-{step}",
                    "user_id": f"user-{n}",
                    "item_id": f"item-{(n + 2 * (n // 2 + 11 * step)) % NUM_ITEMS}",
                    "event_type": "click",
                    "timestamp": moment,
                    "date": moment.date(),
                }
            )
    lake.append(Table.USERS, pa.Table.from_pylist(users, USERS))
    lake.append(Table.ITEMS, pa.Table.from_pylist(items, ITEMS))
    lake.append(Table.INTERACTIONS, pa.Table.from_pylist(events, INTERACTIONS))
    return lake


def test_a_newcomer_and_a_new_item_of_one_kind_find_each_other(ray_session: None, tmp_path: Path) -> None:
    run = train(load_recipe("two_tower", SETTINGS), world(str(tmp_path / "lake")), str(tmp_path / "runs"))
    recommender = Recommender.load(Path(run.uri) / "export", "newcomers")
    now = START + timedelta(days=1)
    newcomers = [UserState(f"newcomer-{kind}", now, attributes={"kind": kind}) for kind in KINDS]
    assert all(recommender.has_signal(user) for user in newcomers)
    assert not recommender.has_signal(UserState("nobody", now))
    for user, kind, other in zip(newcomers, "ab", "ba", strict=True):
        [answer] = recommender.retrieve([user], NUM_ITEMS + len(KINDS), [set()])
        ids = [recommender.items.ids[row] for row in answer.item_rows]
        assert ids.index(f"new-{kind}") < ids.index(f"new-{other}")
        seen = [kind_of(int(name.removeprefix("item-"))) for name in ids if name.startswith("item-")]
        assert seen[:20] == [kind] * 20
    for path in (Path(run.uri) / "export").rglob("*"):
        # What kind of net, and of index, is said; what an attribute is called is not.
        assert path.is_dir() or b"kind" not in re.sub(rb'"kind": "(two_tower|exact)"', b"", path.read_bytes())
