"""Filters inside the search: what is forbidden never comes, and what is left comes as if it were all there is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.errors import InputError
from models.index.config import Kind
from models.index.selection import Allowed
from models.index.vector_index import VectorIndex
from tests.models.index.worlds import KINDS, NUM_ITEMS, built, exact_rows, fresh, recall, world

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("selectivity", [0.5, 0.1, 0.01, 0.001])
def test_a_filter_costs_no_recall(kind: Kind, selectivity: float) -> None:
    items, users = world()
    mask = np.random.default_rng(3).random(NUM_ITEMS) < selectivity
    k = min(100, int(mask.sum()))
    rows, scores = built(kind).search(users, k, Allowed(mask))
    assert mask[rows].all()
    assert (np.diff(scores, axis=1) <= 0).all()
    assert recall((rows, scores), exact_rows(users, items, k, mask)) >= 0.95


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_filter_that_forbids_what_is_near_costs_none_either(kind: Kind, share: float) -> None:
    """Of sixty categories those are forbidden that hold a user's best items, as an age limit might."""
    items, users = world()
    centres = items[np.random.default_rng(1).choice(NUM_ITEMS, 60, replace=False)]
    category = np.argmin((centres**2).sum(axis=1) - 2 * items @ centres.T, axis=1)
    recalls = []
    for user in users[:10]:
        mask = np.ones(NUM_ITEMS, np.bool_)
        for near in dict.fromkeys(category[np.argsort(-(items @ user))].tolist()):
            if mask.mean() <= 1 - share:
                break
            mask &= category != near
        found = built(kind).search(user[None], 100, mask)
        assert mask[found[0]].all()
        recalls.append(recall(found, exact_rows(user[None], items, 100, mask)))
    assert np.mean(recalls) >= 0.95


@pytest.mark.parametrize("kind", KINDS)
def test_barred_rows_are_each_querys_own(kind: Kind) -> None:
    items, users = world()
    plain = exact_rows(users, items, 400)
    barred = [line[: 300 - 4 * place] for place, line in enumerate(plain)]
    rows, _ = built(kind).search(users, 50, barred=barred)
    expected = np.stack([line[len(bar) : len(bar) + 50] for line, bar in zip(plain, barred, strict=True)])
    assert all(not set(line) & set(bar) for line, bar in zip(rows, barred, strict=True))
    assert recall((rows, rows), expected) >= 0.95


@pytest.mark.parametrize("kind", KINDS)
def test_allowed_barred_and_removed_hold_together(kind: Kind) -> None:
    _, users = world()
    index, rng = fresh(kind), np.random.default_rng(5)
    for selectivity in (0.6, 0.02):
        mask = rng.random(NUM_ITEMS) < selectivity
        first = index.search(users[:8], 20, mask)[0]
        barred = [line[::2] for line in first]
        index.remove(np.unique(first[:, 1]))
        rows, _ = index.search(users[:8], 20, mask, barred)
        assert (rows >= 0).all()
        assert mask[rows].all()
        assert not np.isin(rows, first[:, 1]).any()
        assert all(not set(line) & set(bar) for line, bar in zip(rows, barred, strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_fewer_than_asked_are_followed_by_nothing(kind: Kind) -> None:
    items, users = world()
    mask = np.zeros(NUM_ITEMS, np.bool_)
    mask[[7, 70, 700]] = True
    rows, scores = built(kind).search(users[:2], 5, mask, [np.asarray([70]), np.zeros(0, np.int64)])
    assert [sorted(line[line >= 0]) for line in rows] == [[7, 700], [7, 70, 700]]
    assert (rows[:, 3:] == -1).all()
    assert (scores[rows < 0] == 0).all()
    np.testing.assert_allclose(scores[1, :3], items[rows[1, :3]] @ users[1], rtol=5e-3)
    nothing, _ = built(kind).search(users[:2], 5, np.zeros(NUM_ITEMS, np.bool_))
    assert (nothing == -1).all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_user_alone_is_answered_as_in_a_batch(kind: Kind) -> None:
    _, users = world()
    mask, barred = np.arange(NUM_ITEMS) % 3 > 0, [np.arange(n * 10) for n in range(6)]
    together, _ = built(kind).search(users[:6], 30, mask, barred)
    for place in range(6):
        alone, _ = built(kind).search(users[place : place + 1], 30, mask, barred[place : place + 1])
        assert len(set(alone[0]) & set(together[place])) >= 29


@settings(max_examples=50, deadline=None)
@given(st.data())
def test_the_exact_index_is_the_filtered_order_of_products(data: st.DataObject) -> None:
    rng = np.random.default_rng(data.draw(st.integers(0, 1_000)))
    num_items, num_queries = data.draw(st.integers(1, 60)), data.draw(st.integers(0, 4))
    items, queries = rng.normal(size=(num_items, 4)).astype(np.float32), rng.normal(size=(num_queries, 4))
    mask = data.draw(st.none() | st.just(rng.random(num_items) < rng.random()))
    barred = [rng.choice(num_items, size=rng.integers(0, num_items + 1), replace=False) for _ in range(num_queries)]
    k = data.draw(st.integers(1, 70))
    rows, scores = VectorIndex.exact(items).search(queries, k, mask, barred)
    assert rows.shape == scores.shape == (num_queries, min(k, num_items))
    for query, line, best, bar in zip(queries, rows, scores, barred, strict=True):
        open_rows = np.setdiff1d(np.arange(num_items) if mask is None else np.flatnonzero(mask), bar)
        expected = open_rows[np.argsort(-(items[open_rows] @ query), kind="stable")][:k]
        assert line.tolist() == [*expected, *[-1] * (len(line) - len(expected))]
        np.testing.assert_allclose(best[: len(expected)], items[expected] @ query, rtol=1e-4, atol=1e-5)


def test_a_filter_of_another_catalogue_is_refused() -> None:
    _, users = world()
    with pytest.raises(InputError, match=r"over 39,999 rows; the catalogue has 40,000"):
        built("exact").search(users, 5, np.ones(NUM_ITEMS - 1, np.bool_))
    with pytest.raises(InputError, match="1 lists of barred rows for 64 queries"):
        built("exact").search(users, 5, barred=[np.zeros(0, np.int64)])


def test_a_mask_that_changes_later_changes_no_filter() -> None:
    mask = np.ones(NUM_ITEMS, np.bool_)
    allowed = Allowed(mask)
    mask[:] = False
    assert allowed.num_rows == NUM_ITEMS
