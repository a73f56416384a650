"""Random pools and rules for them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import strategies as st

from models.candidates import Candidates
from models.selection import (
    Blocks,
    Boost,
    Cap,
    Control,
    Dpp,
    Epsilon,
    Freshness,
    Mmr,
    PlackettLuce,
    Pool,
    SelectionConfig,
)

NOW_US = 1_800_000_000_000_000
FILTERS = ("f0", "f1")
NAMES = ("Drama", "Comedy", "War")
_NUM_ITEMS = 14


def ranked(rows: list[int], scores: list[float]) -> Candidates:
    """Candidates, best first."""
    candidates = Candidates(np.asarray(rows, np.int64), np.zeros(len(rows), np.float32))
    return candidates.reordered(np.asarray(scores, np.float32))


@st.composite
def pools(draw: st.DrawFn) -> Pool:
    """Up to three sources that share items, items that can only be placed, and all that rules may read. The id of row 7
    is "p7".
    """
    lists = {}
    for source in draw(st.sampled_from([("model",), ("model", "new"), ("model", "trending", "new")])):
        rows = draw(st.lists(st.integers(0, _NUM_ITEMS - 1), unique=True, max_size=8))
        scores = draw(st.lists(st.sampled_from([-1.5, 0.0, 1.0, 2.0, 3.0]), min_size=len(rows), max_size=len(rows)))
        lists[source] = ranked(rows, scores)
    found = {row for candidates in lists.values() for row in candidates.item_rows.tolist()}
    others = draw(
        st.lists(st.integers(0, _NUM_ITEMS - 1).filter(lambda row: row not in found), unique=True, max_size=3)
    )
    pool = Pool.merged(lists, np.asarray(others, np.int64))
    random = np.random.default_rng(draw(st.integers(0, 99)))
    held = [[str(name) for name in random.permutation(NAMES)[: random.integers(0, 3)]] for _ in range(_NUM_ITEMS)]
    vectors = np.round(random.normal(size=(_NUM_ITEMS, 3)), 0).astype(np.float32)  # some are zero, some repeat
    published = random.integers(NOW_US - 10**12, NOW_US, _NUM_ITEMS) * random.choice([1, -1], _NUM_ITEMS, p=[0.8, 0.2])
    passing = random.random((len(FILTERS), _NUM_ITEMS)) < 0.4
    rows = pool.item_rows
    return replace(
        pool,
        vectors=vectors[rows],
        categories=[held[row] for row in rows],
        published_us=published[rows],
        places={f"p{row}": entry for entry, row in enumerate(rows.tolist())},
        passes={text: passing[number][rows] for number, text in enumerate(FILTERS)},
    )


CAPS = st.builds(
    Cap,
    st.integers(0, 3),
    st.one_of(st.none(), st.integers(1, 5)),
    st.one_of(st.none(), st.just(frozenset({"Drama"}))),
    st.booleans(),
)
DIVERSITY = st.one_of(
    st.none(), st.builds(Mmr, st.sampled_from([0.0, 0.5, 1.0])), st.builds(Dpp, st.sampled_from([0.0, 0.5, 1.0]))
)
EXPLORATION = st.one_of(
    st.none(),
    st.builds(Epsilon, st.sampled_from([0.0, 0.3, 1.0]), st.one_of(st.none(), st.just(frozenset({1, 2})))),
    st.builds(PlackettLuce, st.sampled_from([0.01, 1.0])),
)
CONFIGS = st.builds(
    SelectionConfig,
    DIVERSITY,
    st.lists(CAPS, max_size=2).map(tuple),
    st.one_of(st.none(), st.just(Freshness(0.5, 3600.0))),
    EXPLORATION,
    st.one_of(st.none(), st.just(Blocks({"model": 0.7, "new": 0.3})), st.just(Blocks({"trending": 1}))),
)


@st.composite
def controls(draw: st.DrawFn) -> Control:
    """Pins and promoted items, some of which no pool has, boosts and burials."""
    ids = draw(st.permutations([f"p{row}" for row in range(_NUM_ITEMS)] + ["gone"]))
    positions = draw(st.permutations(range(9)))
    pins, promoted = draw(st.integers(0, 3)), draw(st.integers(0, 3))
    return Control(
        dict(zip(positions[:pins], ids, strict=False)),
        tuple(ids[2:][:promoted]),
        tuple(positions[3:][: draw(st.integers(0, 2))]),
        draw(st.sampled_from([(), (Boost("f0", 2.0, 0.1),), (Boost("f1", 0.0), Boost("f0", add=-1.0))])),
        draw(st.sampled_from([(), ("f1",), FILTERS])),
    )
