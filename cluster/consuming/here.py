"""One consumer in this process, without Ray, for a supervisor that starts it again: a container of Kubernetes, systemd.

It finds the others through the store, as every consumer does. What `cluster/consuming/fleet.py` does for actors a
supervisor does for processes: a consumer that has ended, or hangs, only has to end its process.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, start_http_server
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from cluster.consuming.consumer import HUNG_S, ConsumeOptions, Consumer
from cluster.online.durability import warn_of_losses
from cluster.online.store import open_store
from models.errors import ConfigError, ShoalError, StoreError

_log = logging.getLogger(__name__)
_CHECK_EVERY_S = 2.0


def consume_here(
    store_url: str, lake_uri: str, options: ConsumeOptions, stop: threading.Event, metrics: tuple[str, int] | None
) -> None:
    """Consume until `stop`, then finish the step under way and give the share back.

    `metrics`: address and port on which Prometheus reads how far behind it is. `ShoalError` when the consumer does not
    come around any more: its threads may hang, so the process has to end without waiting for them.
    """
    store = open_store(store_url)
    warn_of_losses(store)
    store.close()
    consumer = Consumer(store_url, lake_uri, options)
    with _exported(consumer, metrics):
        while not stop.wait(_CHECK_EVERY_S):
            silent_s = max(health.idle_s for health in consumer.health())
            if silent_s > HUNG_S:
                raise ShoalError(f"this consumer has done nothing for {silent_s:.0f} s. Start it again.")
    consumer.stop()


class _Lag(Collector):
    """What a consumer holds, as it is when Prometheus asks: a partition that others have taken over is not in it."""

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """The gauges of `fleet.py`, without the prefix that Ray gives them."""
        labels = ("job", "partition")
        entries = GaugeMetricFamily(
            "shoal_log_lag_entries", "Entries of the event log a job has not done.", labels=labels
        )
        seconds = GaugeMetricFamily(
            "shoal_log_lag_seconds", "Age of the oldest entry a job has not done.", labels=labels
        )
        try:
            for lag in self._consumer.lags():
                entries.add_metric([lag.job, str(lag.partition)], lag.num_entries)
                seconds.add_metric([lag.job, str(lag.partition)], lag.seconds)
        except StoreError as error:
            _log.error("how far behind the log's readers are is unknown: %s", error)
        return [entries, seconds]


@contextmanager
def _exported(consumer: Consumer, metrics: tuple[str, int] | None) -> Iterator[None]:
    if metrics is None:
        yield
        return
    registry = CollectorRegistry()
    registry.register(_Lag(consumer))
    address, port = metrics
    try:
        server, thread = start_http_server(port, address, registry)
    except OSError as error:
        consumer.stop()
        raise ConfigError(f"{address}:{port} cannot be listened on ({error.strerror}). Choose another port.") from error
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
