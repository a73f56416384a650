"""Ray for a pipeline: the session, with Ray Data's own logs and bars turned down to warnings."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import ray.data

from cluster.ray_session import is_private, ray_session

_SHUFFLED_AT_ONCE = 128 << 20
"""Bytes that a task of a shuffle takes on one machine: Ray Data's gigabyte, which spares a cluster small objects, costs
three times as much memory here and leaves cores idle.
"""


@contextmanager
def data_session(num_cpus: int | None = None, *, lean: bool = False) -> Iterator[None]:
    """`ray_session` for Ray Data and Ray Train; progress is what the pipelines print themselves."""
    with ray_session(num_cpus, lean=lean):
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.print_on_execution_start = False
        if is_private():
            context.shuffle_input_batch_bytes = _SHUFFLED_AT_ONCE
        for name in ("ray.data", "ray.train"):
            logging.getLogger(name).setLevel(logging.WARNING)
        yield
