"""Blocks of encoded users come in one order, whichever task ended first."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pyarrow as pa
import pytest
import ray
import ray.data
from ray.data.block import BlockAccessor

from pipelines.learning.data.encoding import in_order, place
from tests.pipelines.learning.blocks import lists

NUM_USERS = 10
"""Rows from here on are shared by users without training events."""


def block(users: list[int], items: list[list[int]]) -> pa.Table:
    return BlockAccessor.batch_to_block({"user_row": np.asarray(users), "item_rows": lists(*items)})


BLOCKS = [
    block([NUM_USERS, 7], [[1], [2, 3]]),
    block([NUM_USERS, 4], [[5], [6, 7]]),
    block([NUM_USERS], [[8]]),
    block([NUM_USERS], [[9, 9]]),
]


def test_no_two_blocks_have_one_place() -> None:
    places = [place(part) for part in BLOCKS]
    assert [least for least, _ in places] == [7, 4, NUM_USERS, NUM_USERS]
    assert len(set(places)) == len(BLOCKS)
    assert place(BLOCKS[0].slice(0, 0)) == place(pa.table({})) == (-1, b"")


@pytest.mark.slow
def test_the_order_of_arrival_is_nothing(ray_session: None) -> None:
    refs = [ray.put(part) for part in BLOCKS]
    orders = set()
    for arrived in permutations(refs):
        rows = in_order(ray.data.from_arrow_refs(list(arrived))).take_all()
        orders.add(tuple(tuple(row["item_rows"]) for row in rows))
    assert len(orders) == 1
    assert orders.pop()[:4] == ((5,), (6, 7), (1,), (2, 3))
