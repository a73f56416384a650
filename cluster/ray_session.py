"""One way into Ray: join the cluster that is there, or start one on this machine, on loopback."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import ray
from ray._private import ray_constants
from ray._private.services import canonicalize_bootstrap_address

CODE_ROOT = Path(__file__).resolve().parent.parent
_LOCAL_CPUS = 4
"""Logical CPUs of a local session: two training workers, data tasks and Serve replicas share the real ones."""
_OBJECT_STORE_BYTES, _LEAN_OBJECT_STORE_BYTES = 512 << 20, 320 << 20
_KEEP_WORKERS = {"idle_worker_killing_time_threshold_ms": 20_000}
"""A worker process costs seconds to start, and each step of a pipeline wants some: a private session keeps them from
one step to the next, and no longer, because one that has loaded a net holds half a gigabyte."""
_FEW_WORKERS = {"max_io_workers": 1}
"""A lean session has one process that spills objects to disk and one that restores them; idle workers end at once."""
_TRAINING = {"OMP_NUM_THREADS": "1", "RAY_TRAIN_HEALTH_CHECK_INTERVAL_S": "0.25"}
"""One thread a worker keeps fractional CPUs honest. Ray Train takes one report a worker each time it polls; at its own
2 s, epochs of a small log would wait for it.
"""
_LEAN = {
    "MALLOC_ARENA_MAX": "2",
    "MALLOC_TRIM_THRESHOLD_": "65536",
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "_RJEM_MALLOC_CONF": "dirty_decay_ms:100,muzzy_decay_ms:0",
}
"""A task's memory goes back to the machine when it ends: otherwise glibc, Arrow and Polars (jemalloc) keep it, in each
worker the most that it ever needed. Not for training, whose steps take and give back the same memory all the time.
"""
_STEADY = {
    "MALLOC_TRIM_THRESHOLD_": str(256 << 20),
    "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
    "MALLOC_TOP_PAD_": str(64 << 20),
}
"""A step of training takes and gives back the same megabytes each time. glibc moves its own limits for what it returns
to the machine by what was freed first, and where they end up under that, every step has its pages cleared again: a
sixth of a worker's time. The pad is for threads, whose memory comes in heaps of 64 MiB: an empty one goes back however
large the limits are, unless the heap before it has less room than the pad.
"""
_PRIVATE = "PRIVATE_RAY_SESSION"
_ONE_MACHINE = {
    _PRIVATE: "1",
    "RAY_TRAIN_ENABLE_PREEMPTION_WATCHER": "0",
    "GLOO_SOCKET_IFNAME": "lo0" if sys.platform == "darwin" else "lo",
}
"""Nobody takes a node away here, and a process that waits for it costs every run its start. Training workers meet on
loopback.
"""


@contextmanager
def ray_session(num_cpus: int | None = None, *, lean: bool = False) -> Iterator[None]:
    """Ray for the length of the block.

    With `RAY_ADDRESS` set (every `ray job submit` sets it) the block joins that cluster and leaves it
    running. Otherwise it starts a private one and stops it at the end. A session that is already
    connected is used as it is. `lean`: as little memory as a private session can do with, and workers that keep
    none from one task to the next.
    """
    if ray.is_initialized():
        yield
        return
    own = _TRAINING | (_LEAN if lean else _STEADY)
    if address := os.environ.get("RAY_ADDRESS"):
        with _as_its_nodes(address):
            ray.init(log_to_driver=False, logging_level="warning", runtime_env=_worker_env(own))
    else:
        with _on_loopback():
            ray.init(
                address="local",
                num_cpus=num_cpus or _LOCAL_CPUS,
                object_store_memory=_LEAN_OBJECT_STORE_BYTES if lean else _OBJECT_STORE_BYTES,
                include_dashboard=False,
                log_to_driver=False,
                logging_level="warning",
                runtime_env=_worker_env(own | _ONE_MACHINE),
                _system_config=_FEW_WORKERS if lean else _KEEP_WORKERS,
            )
    try:
        yield
    finally:
        ray.shutdown()


@contextmanager
def _on_loopback() -> Iterator[None]:
    """Ray listens on the machine's own address, even when told 127.0.0.1, unless clusters are off (as on a Mac)."""
    before = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before


def _as_its_nodes(address: str) -> AbstractContextManager[None]:
    """Who joins a session that is on loopback has to be there too. `address`: as in `RAY_ADDRESS`."""
    with _on_loopback():
        found = canonicalize_bootstrap_address(address) or ""
    return _on_loopback() if found.startswith("127.0.0.1:") else nullcontext()


def is_private() -> bool:
    """True in the driver and the workers of a session that `ray_session` started for itself: it has no dashboard."""
    return _PRIVATE in ray.get_runtime_context().runtime_env.get("env_vars", {})


def _worker_env(own: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Workers find our packages; a variable of this process goes before our own value for it."""
    return {
        "env_vars": {"PYTHONPATH": _python_path()} | {name: os.environ.get(name, value) for name, value in own.items()}
    }


def _python_path() -> str:
    inherited = [part for part in os.environ.get("PYTHONPATH", "").split(os.pathsep) if part]
    root = str(CODE_ROOT)
    return os.pathsep.join([root, *(part for part in inherited if part != root)])
