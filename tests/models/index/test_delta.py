"""What came and went since the bundle was published: seen by the very next search, whichever index is below."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import IndexFullError, InputError
from models.index.config import Kind
from models.index.vector_index import VectorIndex
from tests.models.index.worlds import DIM, KINDS, NUM_ITEMS, fresh, world

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("kind", KINDS)
def test_an_added_item_is_found_among_the_others_by_its_score(kind: Kind) -> None:
    _, users = world()
    index = fresh(kind)
    before, scores = index.search(users[:1], 10)
    # Along the user, halfway between the third and the fourth.
    between = (scores[0, 2] + scores[0, 3]) / 2
    new = (users[0] * between / (users[0] @ users[0]))[None]
    assert index.add(new).tolist() == [NUM_ITEMS]
    assert (len(index), index.num_published) == (NUM_ITEMS + 1, NUM_ITEMS)
    rows, after = index.search(users[:1], 10)
    assert rows[0].tolist() == [*before[0, :3], NUM_ITEMS, *before[0, 3:9]]
    assert after[0, 3] == pytest.approx(between, rel=1e-4)
    np.testing.assert_array_equal(index.vectors(np.asarray([NUM_ITEMS, 5]))[0], new[0])


@pytest.mark.parametrize("kind", KINDS)
def test_a_removed_row_is_gone_at_once_and_another_takes_its_place(kind: Kind) -> None:
    _, users = world()
    index = fresh(kind)
    index.add(10 * users[:3])
    before, _ = index.search(users[:1], 30)
    assert before[0, 0] == NUM_ITEMS
    index.remove(before[0, [0, 2, 5]])
    index.remove(before[0, [2]])
    after, _ = index.search(users[:1], 27)
    assert after[0].tolist() == [row for row in before[0] if row not in before[0, [0, 2, 5]]]
    rows, _ = index.search(users[:1], 30)
    assert (rows >= 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_filters_hold_for_what_was_added(kind: Kind) -> None:
    _, users = world()
    index = fresh(kind)
    added = index.add(10 * np.repeat(users[:1], 4, axis=0))
    mask = np.ones(NUM_ITEMS + 2, np.bool_)  # two of the four came after the mask was made
    mask[NUM_ITEMS + 1] = False
    rows, _ = index.search(users[:1], 20, mask)
    assert set(rows[0]) & set(added) == {NUM_ITEMS}
    rows, _ = index.search(users[:1], 20, barred=[added[:3]])
    assert set(rows[0]) & set(added) == {NUM_ITEMS + 3}
    rows, _ = index.search(users[:1], 20, mask[:NUM_ITEMS])
    assert not set(rows[0]) & set(added)


def test_a_full_index_says_so_and_keeps_what_it_has(caplog: pytest.LogCaptureFixture) -> None:
    _, users = world()
    index = fresh("exact", delta_capacity=5)
    index.add(10 * users[:4])
    with pytest.raises(IndexFullError, match=r"4 items were added since .* and 2 more do not fit into 5"):
        index.add(users[:2])
    assert "do not fit into 5" in caplog.text
    assert len(index) == NUM_ITEMS + 4
    index.add(10 * users[4:5])
    assert index.search(users[4:5], 1)[0].tolist() == [[NUM_ITEMS + 4]]


def test_what_cannot_be_added_or_removed_is_refused() -> None:
    index = fresh("exact")
    with pytest.raises(InputError, match=r"shape \(2, 3\) do not fit an index of \[num_items, 16\]"):
        index.add(np.zeros((2, 3), np.float32))
    with pytest.raises(InputError, match="NaN or infinity"):
        index.add(np.full((1, DIM), np.inf, np.float32))
    for row in (NUM_ITEMS, -1):
        with pytest.raises(InputError, match=f"no row {row}"):
            index.remove(np.asarray([0, row]))
    assert index.search(world()[0][:1], 1)[0].shape == (1, 1)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["add", "remove"]), st.integers(0, 10_000)), max_size=12))
def test_any_order_of_changes_is_the_index_of_what_is_left(changes: list[tuple[str, int]]) -> None:
    rng = np.random.default_rng(7)
    vectors = rng.normal(size=(20, 4)).astype(np.float32)
    index, gone = VectorIndex.exact(vectors), set()
    for change, number in changes:
        if change == "add":
            new = rng.normal(size=(1 + number % 3, 4)).astype(np.float32)
            assert index.add(new).tolist() == list(range(len(vectors), len(vectors) + len(new)))
            vectors = np.concatenate([vectors, new])
        else:
            gone.add(number % len(vectors))
            index.remove(np.asarray([number % len(vectors)]))
    query = rng.normal(size=(1, 4)).astype(np.float32)
    order = [row for row in np.argsort(-(vectors @ query[0])) if row not in gone]
    rows, scores = index.search(query, len(vectors))
    assert rows[0].tolist() == order + [-1] * len(gone)
    np.testing.assert_allclose(scores[0, : len(order)], vectors[order] @ query[0], rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(index.vectors(np.arange(len(vectors))), vectors)


def test_readers_see_whole_states_while_one_writes() -> None:
    _, users = world()
    index, done = fresh("ivf_sq8", delta_capacity=400), threading.Event()
    removed: list[int] = []
    wrong: list[str] = []

    def read() -> None:
        while not done.is_set():
            gone, known = list(removed), len(index)
            rows, scores = index.search(users[:2], 20)
            if np.isin(rows, gone).any():
                wrong.append("a removed row was found")
            if (rows < 0).any() or (np.diff(scores, axis=1) > 0).any():
                wrong.append("a search was not whole")
            added = rows[0] >= NUM_ITEMS
            if not np.allclose(scores[0, added], index.vectors(rows[0, added]) @ users[0], rtol=1e-4):
                wrong.append("a score was not of its vector")
            if known > len(index):
                wrong.append("an added row was lost")

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    rng = np.random.default_rng(1)
    for _ in range(100):
        rows = index.add(rng.normal(size=(4, DIM)).astype(np.float32) * 3)
        victim = int(rng.choice([rows[0], rng.integers(NUM_ITEMS)]))
        index.remove(np.asarray([victim]))
        removed.append(victim)
    done.set()
    for reader in readers:
        reader.join()
    assert wrong == []
    assert len(index) == NUM_ITEMS + 400
