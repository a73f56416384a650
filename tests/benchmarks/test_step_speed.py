"""One training step: fused tables beside plain torch, and fused tables of 10⁴ to 10⁷ rows. Prints figures.

`BENCHMARK_ROWS` sets the rows of the comparison, `BENCHMARK_TABLES` those of the curve (like `1e4,1e5`).
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from tests.benchmarks.sizes import plot, sizes
from tests.benchmarks.step_models import fused_step
from tests.benchmarks.torch_steps import ms_a_step, torch_step

pytestmark = pytest.mark.slow

MIN_OVER_DENSE, MIN_OVER_SPARSE = 20.0, 1.5
MAX_GROWTH = 1.3
"""From the first table that no cache holds to the largest."""
PAST_THE_CACHE = 1_000_000
STEPS = 50


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """As a worker has."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def test_fused_tables_beside_plain_torch() -> None:
    (rows,) = sizes("BENCHMARK_ROWS", [1_000_000])
    fused = ms_a_step(fused_step(rows, "cpu"), rows, "cpu", STEPS)
    sparse = ms_a_step(torch_step(rows, "cpu", sparse=True), rows, "cpu", STEPS)
    dense = ms_a_step(torch_step(rows, "cpu", sparse=False), rows, "cpu", 5)
    print(f"\n2 tables of {rows:,} × 64, load {os.getloadavg()[0]:.1f}")
    print(f"fused row-wise Adagrad {fused:.2f} ms, SparseAdam {sparse:.2f} ms, dense Adam {dense:.1f} ms")
    print(f"fused is {dense / fused:.1f} times as fast as dense Adam and {sparse / fused:.2f} as SparseAdam")
    assert dense / fused >= MIN_OVER_DENSE
    assert sparse / fused >= MIN_OVER_SPARSE


def test_a_step_costs_the_same_whatever_the_rows(tmp_path: Path) -> None:
    tables = sizes("BENCHMARK_TABLES", [10**4, 10**5, 10**6, 3 * 10**6, 10**7])
    took = []
    for rows in tables:
        took.append(ms_a_step(fused_step(rows, "cpu"), rows, "cpu", 2 * STEPS))
        gc.collect()
        print(f"\n{rows:>12,} rows {took[-1]:.2f} ms, load {os.getloadavg()[0]:.1f}")
    print(plot("step-time", tmp_path, tables, {"ms a step": took}, "rows of each of 2 tables"))
    past = [ms for rows, ms in zip(tables, took, strict=True) if rows >= PAST_THE_CACHE] or took
    assert max(past) <= MAX_GROWTH * past[0]
