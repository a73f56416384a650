"""Ray for a pipeline: the session, with Ray Data's own logs and bars turned down to warnings."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import ray.data

from cluster.ray_session import ray_session


@contextmanager
def data_session() -> Iterator[None]:
    """`ray_session` for Ray Data and Ray Train; progress is what the pipelines print themselves."""
    with ray_session():
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        context.print_on_execution_start = False
        for name in ("ray.data", "ray.train"):
            logging.getLogger(name).setLevel(logging.WARNING)
        yield
