"""Speed and peak memory of `shoal examples` by the size of the log. Prints figures and draws them.

`BENCHMARK_EVENTS` sets the sizes (like `1e4,1e5`), `BENCHMARK_OUT` the folder of the plot.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path

import pytest

from cluster.delta.lake import Lake
from tests.benchmarks.event_logs import write_log
from tests.benchmarks.process_memory import run_measured
from tests.benchmarks.sizes import plot, sizes

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3_600)]

MAX_BYTES = 2 << 30
MIN_SHARE = 0.7
"""Of the best speed that the largest log must reach."""
ROOT = Path(__file__).resolve().parents[2]


def test_speed_and_memory_do_not_grow_with_the_log(tmp_path: Path) -> None:
    logs = sizes("BENCHMARK_EVENTS", [10**5, 10**6, 5 * 10**6, 2 * 10**7])
    speeds, peaks = [], []
    for num_events in logs:
        lake, out = tmp_path / f"lake-{num_events}", tmp_path / f"examples-{num_events}"
        write_log(Lake(str(lake)), num_events)
        command = [sys.executable, "-m", "pipelines.examples", "--lake", str(lake), "--out", str(out)]
        shown, peak = run_measured(command, ROOT)
        summary = json.loads(shown)
        speeds.append(summary["examples_per_s"])
        peaks.append(peak)
        files = sum(file.stat().st_size for file in out.rglob("*.parquet"))
        print(
            f"\n{num_events:>12,} events: {summary['seconds']:.1f} s, {speeds[-1]:,.0f} examples/s, "
            f"peak {peak / 2**20:,.0f} MiB, {files / 1e6:,.1f} MB written, load {os.getloadavg()[0]:.1f}"
        )
        shutil.rmtree(lake)
        shutil.rmtree(out)
    series = {"thousand examples/s": [s / 1e3 for s in speeds], "peak memory, MiB": [p / 2**20 for p in peaks]}
    print(plot("examples-growth", tmp_path, logs, series, "events in the log"))
    assert max(peaks) < MAX_BYTES
    assert speeds[-1] >= MIN_SHARE * max(speeds)
