"""Retrieval of one user by the size of the catalogue: time, recall and memory of the index. Prints figures, draws them.

`BENCHMARK_ITEMS` sets the sizes (like `1e4,1e5`; 1e7 takes 10 GB and some minutes), `BENCHMARK_OUT` the folder of the
plot. Items are clustered vectors of 64 numbers with norms that differ; the index is measured on other users than it
was built with.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from models.index.recall import K, exact_last, recall
from models.index.vector_index import VectorIndex
from tests.benchmarks.sizes import plot, sizes
from tests.models.index.clustered import clustered

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3_600)]

MIN_RECALL = 0.95
MAX_POWER = 0.75
"""Time may grow with items to this power at most, from the smallest catalogue to the largest."""
NUM_USERS, NUM_MEASURED = 2_048, 256
ROOT = Path(__file__).resolve().parents[2]


def test_retrieval_grows_slower_than_the_catalogue(tmp_path: Path) -> None:
    catalogues = sizes("BENCHMARK_ITEMS", [10**4, 10**5, 10**6])
    p50s, recalls, bytes_an_item = [], [], []
    print(f"\n{'items':>12} {'kind':<8}{'p50, ms':>9}{'p99, ms':>9}{'recall':>8}{'bytes an item':>15}{'built, s':>10}")
    for num_items in catalogues:
        items, users = clustered(num_items, num_users=NUM_USERS)
        asked, measured = users[: NUM_USERS // 2], users[NUM_USERS // 2 :]
        index = VectorIndex.build(items, asked)
        sample = measured[:NUM_MEASURED]
        recalls.append(recall(index.search, sample, items, exact_last(sample, items, K), K))
        index.save(tmp_path / "index.faiss")
        np.save(tmp_path / "queries.npy", measured)
        record = index.record
        assert record is not None
        del items, index
        files = [str(tmp_path / name) for name in ("index.faiss", "queries.npy")]
        command = [sys.executable, "-m", "tests.benchmarks.timed_index", *files]
        told = json.loads(subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout)
        p50s.append(told["p50_ms"])
        bytes_an_item.append(told["resident"] / num_items)
        print(
            f"{num_items:>12,} {record.kind:<8}{p50s[-1]:>9.3f}{told['p99_ms']:>9.3f}{recalls[-1]:>8.4f}"
            f"{bytes_an_item[-1]:>15,.0f}{record.build_s:>10.1f}   nprobe {record.nprobe}, refine {record.refine}, "
            f"{record.num_bytes / num_items:,.0f} bytes an item when all is read, load {os.getloadavg()[0]:.1f}"
        )
    series = {"p50 of one user, ms": p50s, "recall@100": recalls, "resident bytes an item": bytes_an_item}
    print(plot("index-growth", tmp_path, catalogues, series, "items"))
    assert min(recalls) >= MIN_RECALL
    assert p50s[-1] <= p50s[0] * (catalogues[-1] / catalogues[0]) ** MAX_POWER
