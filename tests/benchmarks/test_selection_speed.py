"""A row of 20 from 200 candidates of 64 dimensions, under each rule. Prints figures; asserts ratios within the run."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from models.candidates import Candidates
from models.selection import (
    NO_CONTROL,
    PLAIN,
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
    select,
)

pytestmark = pytest.mark.slow

NUM, DIM, LIMIT, NOW_US = 200, 64, 20, 1_800_000_000_000_000
MAX_RATIO = 30
"""A row by MMR or DPP over the 20 products of matrix and vector that no such row can do without."""

EVERYTHING = SelectionConfig(
    Mmr(0.7), (Cap(2, window=5),), Freshness(0.2, 86_400), PlackettLuce(0.1), Blocks({"model": 0.7, "new": 0.3})
)
RULES: dict[str, tuple[SelectionConfig, Control]] = {
    "nothing": (PLAIN, NO_CONTROL),
    "pins and boosts": (PLAIN, Control({0: "a"}, boosts=(Boost("f", 2.0),))),
    "freshness": (SelectionConfig(freshness=Freshness(0.2, 86_400)), NO_CONTROL),
    "a cap": (SelectionConfig(caps=(Cap(2),)), NO_CONTROL),
    "a cap of a window": (SelectionConfig(caps=(Cap(2, window=5),)), NO_CONTROL),
    "blocks": (SelectionConfig(blocks=Blocks({"model": 0.7, "new": 0.3})), NO_CONTROL),
    "epsilon": (SelectionConfig(exploration=Epsilon(0.1)), NO_CONTROL),
    "Plackett-Luce": (SelectionConfig(exploration=PlackettLuce(0.1)), NO_CONTROL),
    "MMR": (SelectionConfig(diversity=Mmr(0.7)), NO_CONTROL),
    "DPP": (SelectionConfig(diversity=Dpp(0.7)), NO_CONTROL),
    "all of them": (EVERYTHING, Control({0: "a"}, boosts=(Boost("f", 2.0),), buried=("f",))),
}


def test_a_row_of_twenty() -> None:
    pool = _pool()
    assert pool.vectors is not None
    vectors = pool.vectors
    bare_s = _best(lambda: [vectors @ vectors[n] for n in range(LIMIT)])
    print(f"\n{LIMIT} bare products {1e6 * bare_s:.0f} µs")
    taken = {}
    for name, (config, control) in RULES.items():
        given = pool if config.blocks else replace(pool, sources=("model",), source_of=None)
        taken[name] = _best(lambda g=given, c=config, o=control: select(g, LIMIT, c, o, now_us=NOW_US, seed=1))
        print(f"{name:20} {1e6 * taken[name]:6.0f} µs")
    assert max(taken["MMR"], taken["DPP"]) < MAX_RATIO * bare_s
    assert taken["nothing"] < taken["MMR"] / 5


def _pool() -> Pool:
    random = np.random.default_rng(0)
    scores = np.sort(random.normal(size=NUM).astype(np.float32))[::-1]
    half = NUM // 2
    pool = Pool.merged(
        {
            "model": Candidates(np.arange(half), scores[:half]),
            "new": Candidates(np.arange(half, NUM), scores[half:]),
        }
    )
    names = [f"category {n}" for n in range(20)]
    return replace(
        pool,
        vectors=random.normal(size=(NUM, DIM)).astype(np.float32),
        categories=[[names[n] for n in random.integers(0, 20, 2)] for _ in range(NUM)],
        published_us=NOW_US - random.integers(0, 10**13, NUM),
        places={"a": 7},
        passes={"f": random.random(NUM) < 0.1},
    )


def _best(work: Callable[[], object]) -> float:
    """Seconds of CPU of the quickest of 300 rounds."""
    times = []
    for _ in range(300):
        started = time.thread_time()
        work()
        times.append(time.thread_time() - started)
    return min(times)
