"""Batch answers: the same chain as serving, for everyone who can be named."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cluster.delta.lake import Lake
from models.catalogue import USERS
from models.errors import InputError
from models.recommender import Recommender
from models.tables import Table
from pipelines.answers.parquet_out import write_parquet
from pipelines.answers.recommending import RECOMMENDATIONS, answer, read_users
from pipelines.answers.states import states, without_events
from pipelines.learning.data.sequences import SEQUENCE
from tests.models.tiny_bundle import ITEMS, NOW, user, write_bundle


@pytest.fixture(scope="module")
def recommender(tmp_path_factory: pytest.TempPathFactory) -> Recommender:
    return Recommender.load(write_bundle(tmp_path_factory.mktemp("bundle")), "v1")


def test_each_user_gets_k_ranked_items_they_have_not_seen(recommender: Recommender) -> None:
    users = [user("ann", "item-1"), user("stranger")]
    rows = answer(recommender, users, 3, exclude_seen=True).cast(RECOMMENDATIONS)
    assert rows["user_id"].to_pylist() == ["ann"] * 3 + ["stranger"] * 3
    assert rows["rank"].to_pylist() == [1, 2, 3] * 2
    assert "item-1" not in rows["item_id"].to_pylist()[:3]
    # The bundle knows nothing of the stranger: the popular list answers.
    assert rows["item_id"].to_pylist()[3:] == ["item-0", "item-4", "item-1"]


def test_seen_items_may_be_asked_for_but_hidden_ones_may_not(recommender: Recommender) -> None:
    ann = user("ann", "item-1", disliked=["item-2"])
    items = answer(recommender, [ann], len(ITEMS), exclude_seen=False)["item_id"].to_pylist()
    assert set(items) == set(ITEMS) - {"item-2"}


def test_nobody_gets_an_empty_table(recommender: Recommender) -> None:
    assert len(answer(recommender, [], 3, exclude_seen=True)) == 0


def test_sequences_become_states() -> None:
    block = pa.table(
        {
            "user_id": ["ann"],
            "country": [None],
            "attributes": ['{"age": 25, "name": null}'],
            "item_ids": [["a", "b"]],
            "event_types": [["click", "hide"]],
            "timestamps_us": [[5, 6]],
            "countries": [[None, None]],
        },
        schema=SEQUENCE,
    )
    [state] = states(block, NOW)
    assert (state.user_id, state.country, state.positives, state.hidden) == ("ann", None, ("a",), {"b"})
    assert state.attributes == {"age": "25"}


def test_users_come_from_three_kinds_of_file(tmp_path: Path) -> None:
    (tmp_path / "users.txt").write_text("ann\n\n bob \nann\n")
    (tmp_path / "users.csv").write_text("user_id,age\n7,30\n8,40\n")
    pq.write_table(pa.table({"user_id": ["bob", "ann", "bob"]}), tmp_path / "users.parquet")
    assert read_users("all") is None
    assert read_users(str(tmp_path / "users.txt")) == ["ann", "bob"]
    assert read_users(str(tmp_path / "users.csv")) == ["7", "8"]
    assert read_users(str(tmp_path / "users.parquet")) == ["bob", "ann"]


@pytest.mark.parametrize(
    ("name", "content"),
    [("none.txt", None), ("users.csv", b"id\n1\n"), ("users.parquet", b"not parquet"), ("users.txt", b"\xff\xfe\x00")],
)
def test_a_users_file_that_is_none(tmp_path: Path, name: str, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match="cannot be read"):
        read_users(str(tmp_path / name))


def test_an_answer_file_appears_whole_or_not_at_all(tmp_path: Path) -> None:
    schema = pa.schema([("n", pa.int64())])
    out = tmp_path / "new" / "out.parquet"

    def broken() -> Iterator[pa.Table]:
        yield pa.table({"n": [1]})
        raise RuntimeError("the source ended early")

    with pytest.raises(RuntimeError):
        write_parquet(broken(), schema, out)
    assert list(out.parent.iterdir()) == []
    assert write_parquet(iter([pa.table({"n": [1, 2]}), pa.table({"n": [3]})]), schema, out) == 3
    assert pq.read_table(out)["n"].to_pylist() == [1, 2, 3]


def test_users_without_events_have_their_profiles(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path))
    assert [state.user_id for state in without_events(lake, {"ann"}, NOW)] == ["ann"]
    profiles = {"user_id": ["ann", "bob"], "country": ["NO", "SE"], "attributes": ['{"age": 25}', None]}
    lake.append(Table.USERS, pa.table({**profiles, "updated_at": pa.array([NOW] * 2, USERS.field("updated_at").type)}))
    ann, zoe = without_events(lake, {"zoe", "ann"}, NOW)
    assert (ann.user_id, ann.country, ann.attributes, ann.history) == ("ann", "NO", {"age": "25"}, ())
    assert (zoe.user_id, zoe.country, zoe.attributes) == ("zoe", None, {})
