"""One index in a process of its own: `python -m tests.benchmarks.timed_index INDEX QUERIES`.

Prints as JSON, of one query at a time: the middle and the 99th of a hundred searches, in ms; and by how many bytes the
process grew, mapped pages among them.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np

from models.index.vector_index import VectorIndex
from models.recommender import NUM_CANDIDATES


def main(index_path: str, queries_path: str) -> None:
    queries = np.load(queries_path)
    before = _resident_bytes()
    index = VectorIndex.load(Path(index_path))
    spent_ms = []
    for query in queries:
        started = time.perf_counter()
        index.search(query[None], NUM_CANDIDATES)
        spent_ms.append(1e3 * (time.perf_counter() - started))
    # The first half brings pages in.
    p50, p99 = np.percentile(spent_ms[len(spent_ms) // 2 :], [50, 99])
    print(json.dumps({"p50_ms": p50, "p99_ms": p99, "resident": _resident_bytes() - before}))


def _resident_bytes() -> int:
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Rss:"))


if __name__ == "__main__":
    main(*sys.argv[1:])
