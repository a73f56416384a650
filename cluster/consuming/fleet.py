"""Consumers as Ray actors: restarted by Ray when their process dies, by us when they do not come around any more.

They share the partitions by themselves, on one machine or many; none of them needs to know of the others.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ray
from ray.exceptions import GetTimeoutError, RayActorError, RayTaskError
from ray.util.metrics import Gauge

from cluster.consuming.consumer import HUNG_S, ConsumeOptions, Consumer, Health
from cluster.online.durability import warn_of_losses
from cluster.online.store import open_store
from models.errors import StoreError

_log = logging.getLogger(__name__)
_CHECK_EVERY_S = 2.0
_ANSWER_S = 10.0
_START_S = 120.0
"""A new process imports and opens its store first: one that has not answered yet may take this long."""
_GAUGES_EVERY_S = 5.0
_NUM_CPUS = 0.1
_NICE = 10
"""A consumer has seconds for what it does, and who waits for an answer on the same machine has none to spare."""


class ConsumerActor(Consumer):
    """A consumer that also says how far behind it is, as Prometheus gauges of Ray's metrics."""

    def __init__(self, store_url: str, lake_uri: str, options: ConsumeOptions) -> None:
        os.nice(_NICE)
        super().__init__(store_url, lake_uri, options)
        tags = ("job", "partition")
        self._entries = Gauge("shoal_log_lag_entries", "Entries of the event log a job has not done.", tags)
        self._seconds = Gauge("shoal_log_lag_seconds", "Age of the oldest entry a job has not done.", tags)
        threading.Thread(target=self._measure, daemon=True).start()

    def _measure(self) -> None:
        said: set[tuple[str, str]] = set()
        while not self._stop.wait(_GAUGES_EVERY_S):
            try:
                lags = {(str(lag.job), str(lag.partition)): (lag.num_entries, lag.seconds) for lag in self.lags()}
                # What another holds now is for that one to say: a gauge would keep our last word.
                for job, partition in said | set(lags):
                    entries, seconds = lags.get((job, partition), (0, 0.0))
                    tags = {"job": job, "partition": partition}
                    self._entries.set(entries, tags)
                    self._seconds.set(seconds, tags)
                said = set(lags)
            except StoreError as error:
                _log.error("how far behind the log's readers are is unknown: %s", error)


class Fleet:
    """Actors and the thread that looks after them."""

    def __init__(self, store_url: str, lake_uri: str, num: int, options: ConsumeOptions) -> None:
        remote = ray.remote(ConsumerActor).options(num_cpus=_NUM_CPUS, max_restarts=-1, max_concurrency=2)
        self._actors = [remote.remote(store_url, lake_uri, options) for _ in range(num)]
        self._errors: dict[int, str | None] = {}
        self._heard = [time.monotonic()] * num
        self._answered = [False] * num
        self._stop = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()

    def stop(self) -> None:
        """Let each finish its step, and end it."""
        self._stop.set()
        self._watcher.join()
        try:
            ray.get([actor.stop.remote() for actor in self._actors], timeout=_ANSWER_S)
        except (RayActorError, RayTaskError, GetTimeoutError) as error:
            _log.warning("a consumer did not stop by itself; its share is free in seconds: %s", error)
        for actor in self._actors:
            ray.kill(actor)

    def _watch(self) -> None:
        while not self._stop.wait(_CHECK_EVERY_S):
            for number, actor in enumerate(self._actors):
                self._check(number, actor)

    def _check(self, number: int, actor: Any) -> None:
        try:
            found = ray.get(actor.health.remote(), timeout=_ANSWER_S)
            self._heard[number] = time.monotonic() - max(health.idle_s for health in found)
            self._answered[number] = True
            self._tell(number, found)
        except RayActorError:  # its process died, and Ray is starting another
            self._begin(number)
        except GetTimeoutError:  # it starts, or hangs
            pass
        except RayTaskError as error:
            self._restart(number, actor, str(error))
        patience_s = HUNG_S if self._answered[number] else _START_S
        if (silent_s := time.monotonic() - self._heard[number]) > patience_s:
            self._restart(number, actor, f"nothing done for {silent_s:.0f} s")

    def _restart(self, number: int, actor: Any, reason: str) -> None:
        _log.error("consumer %d is not well and is started again: %s", number, reason)
        ray.kill(actor, no_restart=False)
        self._begin(number)

    def _begin(self, number: int) -> None:
        self._heard[number] = time.monotonic()
        self._answered[number] = False

    def _tell(self, number: int, found: list[Health]) -> None:
        """Errors of a consumer's turns are in a log of its node; say here when they start and when they end."""
        error = next((f"{health.job}: {health.error}" for health in found if health.error), None)
        if error != self._errors.get(number):
            _log.warning("consumer %d %s", number, f"tries again after {error}" if error else "goes on")
        self._errors[number] = error


@contextmanager
def consumers(store_url: str, lake_uri: str, num: int, options: ConsumeOptions) -> Iterator[Fleet]:
    """So many consumers for the length of the block, on the Ray that this process is connected to."""
    store = open_store(store_url)
    warn_of_losses(store)
    store.close()
    fleet = Fleet(store_url, lake_uri, num, options)
    try:
        yield fleet
    finally:
        fleet.stop()
