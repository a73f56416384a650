"""Memory of a command and of all it started, while it runs: Ray's processes are its children."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

_EVERY_S = 0.5


def run_measured(command: Sequence[str], root: Path) -> tuple[str, int]:
    """Standard output of the command, and the peak of its memory in bytes: resident pages, shared ones counted once."""
    process = subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True)
    peak = 0
    try:
        while process.poll() is None:
            peak = max(peak, sum(map(_resident_bytes, family(process.pid))))
            time.sleep(_EVERY_S)
    finally:
        process.terminate()  # nothing to do unless this test is stopped
    assert process.stdout is not None
    out = process.stdout.read()
    assert process.returncode == 0, out
    return out, peak


def family(pid: int) -> list[int]:
    """The process and all that it, and they, have started."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:  # ended meanwhile
            continue
        parents[int(stat.parent.name)] = int(fields[1])
    family = [pid]
    for member in family:
        family += [child for child, parent in parents.items() if parent == member]
    return family


def _resident_bytes(pid: int) -> int:
    """Proportional set size: a page that n processes share counts 1/n for each; so does the object store."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:  # ended meanwhile
        return 0
    return sum(1024 * int(line.split()[1]) for line in lines if line.startswith("Pss:"))
