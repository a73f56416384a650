"""Processes of one machine share the pages of an index: a second one has next to none of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from models.index.config import IndexConfig
from models.index.vector_index import VectorIndex

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[3]
READER = """
import json, sys
from pathlib import Path
import numpy as np
from models.index.vector_index import VectorIndex

def bytes_of(name):
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(1024 * int(line.split()[1]) for line in lines if line.startswith(name + ":"))

def searched(path):
    index = VectorIndex.load(Path(path))
    queries = index.vectors(np.arange(0, len(index), max(len(index) // 200, 1)))
    for query in queries:
        index.search(query[None], 100)
    index.vectors(np.arange(len(index)))
    return index

small = searched(sys.argv[1])  # what libraries take once is taken here
before = bytes_of("Anonymous"), bytes_of("Rss")
large = searched(sys.argv[2])
after = bytes_of("Anonymous"), bytes_of("Rss")
print(json.dumps({"own": after[0] - before[0], "resident": after[1] - before[1]}))
"""


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="Linux says what a process has of its own")
def test_a_second_process_shares_the_pages_of_the_first(tmp_path: Path) -> None:
    rng, config = np.random.default_rng(3), IndexConfig(exact_up_to=100, min_recall=0.0, num_queries=8)
    paths = []
    for num_items in (2_000, 60_000):
        paths.append(tmp_path / str(num_items) / "index.faiss")
        paths[-1].parent.mkdir()
        index = VectorIndex.build(rng.standard_normal((num_items, 64), np.float32), config=config)
        index.save(paths[-1])
    assert index.record is not None
    script = [sys.executable, "-c", READER, *map(str, paths)]
    out = subprocess.run(script, cwd=ROOT, check=True, capture_output=True, text=True, timeout=60).stdout
    grown = json.loads(out)
    assert grown["resident"] > 0.6 * index.record.num_bytes
    assert grown["own"] < 0.25 * index.record.num_bytes
