"""Writers and consumers as processes of their own, one of them killed again and again; then the lake is counted."""

from __future__ import annotations

import multiprocessing
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path

from cluster.consuming.consumer import ConsumeOptions, Consumer
from cluster.consuming.drain import drain
from cluster.delta.lake import Lake
from cluster.online.store import open_store
from models.errors import StoreError
from models.tables import Table
from tests.cluster.online.store_suite import event
from tests.cluster.redis.redis_server import start

spawn = multiprocessing.get_context("spawn")
BATCH = 20
OPTIONS = ConsumeOptions(lake_interval_s=0.2, trending_interval_s=0.1, lease_s=1.0)


@dataclass(frozen=True)
class Outcome:
    """What a storm left: ids the store acknowledged, and how often each is in the lake and in the counters."""

    acknowledged: set[str]
    in_lake: Counter[str]
    num_counted: int

    @property
    def num_lost(self) -> int:
        """Acknowledged, and not in the lake."""
        return len(self.acknowledged - set(self.in_lake))

    @property
    def num_duplicated(self) -> int:
        """More than once in the lake."""
        return sum(num > 1 for num in self.in_lake.values())


def write(url: str, name: str, acknowledged: Connection) -> None:
    """Append batches for ever, each until it is acknowledged; send the number of the first of each."""
    store, first = open_store(url), 0
    while True:
        batch = [event(f"{name}-{n}", user=f"user-{n % 37}", item="item") for n in range(first, first + BATCH)]
        while True:
            try:
                store.append(batch)
                break
            except StoreError:
                time.sleep(0.05)
        acknowledged.send(first)
        first += BATCH


def consume(url: str, lake: str) -> None:
    """Consume until killed."""
    consumer = Consumer(url, lake, OPTIONS)
    while True:
        time.sleep(1)
        consumer.health()


class Writer:
    """A writer process and what it was acknowledged."""

    def __init__(self, url: str, name: str) -> None:
        self._name = name
        self._reader, sender = spawn.Pipe(duplex=False)
        self.process = spawn.Process(target=write, args=(url, name, sender), daemon=True)
        self.process.start()
        sender.close()
        self.ids: set[str] = set()

    def started(self) -> None:
        """Return after its first acknowledgement."""
        self._take(self._reader.recv())

    def kill(self) -> None:
        """kill -9; every acknowledgement it passed on is taken."""
        self.process.kill()
        self.process.join()
        self.collect()

    def collect(self) -> None:
        """Take the acknowledgements so far, so that the pipe never fills."""
        try:
            while self._reader.poll():
                self._take(self._reader.recv())
        except (EOFError, OSError):
            pass  # it was killed, perhaps in the middle of a message

    def _take(self, first: int) -> None:
        self.ids.update(f"event-{self._name}-{n}" for n in range(first, first + BATCH))


def _wait(seconds: float, writers: list[Writer]) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for writer in writers:
            writer.collect()
        time.sleep(0.02)


def kill_consumers(url: str, lake: Lake, times: int, seed: int = 1) -> Outcome:
    """Two consumers; one is killed at a random moment and another one started, again and again."""
    chance = random.Random(seed)
    writer = Writer(url, "w")
    writer.started()
    running: list[BaseProcess] = [_consumer(url, lake) for _ in range(2)]
    for _ in range(times):
        _wait(chance.uniform(1.0, 3.0), [writer])
        victim = running.pop(chance.randrange(2))
        victim.kill()
        victim.join()
        running.append(_consumer(url, lake))
    _wait(1.0, [writer])
    writer.kill()
    return outcome(url, lake, writer.ids, running)


def kill_writers(url: str, lake: Lake, times: int, seed: int = 2) -> Outcome:
    """A writer is killed at a random moment and another one started, again and again."""
    chance, writers = random.Random(seed), []
    running = [_consumer(url, lake)]
    for number in range(times):
        writer = Writer(url, f"w{number}")
        writers.append(writer)
        writer.started()
        _wait(chance.uniform(0.05, 0.5), [writer])
        writer.kill()
    return outcome(url, lake, set().union(*(writer.ids for writer in writers)), running)


def kill_redis(folder: Path, lake: Lake, times: int, seed: int = 3) -> Outcome:
    """The server is killed at a random moment and started again on its append-only file, again and again.

    With `everysec` it may answer before it has written, and a kill loses what it answered.
    """
    chance = random.Random(seed)
    writer: Writer | None = None
    running: list[BaseProcess] = []
    port = 0
    for number in range(times + 1):
        with start(folder, port, appendfsync="always") as (server, url):
            port = int(url.rsplit(":", 1)[1].split("/")[0])
            if writer is None:
                writer = Writer(url, "w")
                running = [_consumer(url, lake)]
                writer.started()
            _wait(chance.uniform(0.5, 1.5), [writer])
            if number < times:
                server.kill()
            else:
                writer.kill()
                return outcome(url, lake, writer.ids, running)
    raise AssertionError("not reached")


@contextmanager
def consuming(url: str, lake: Lake) -> Iterator[BaseProcess]:
    """One consumer process for the length of the block."""
    process = _consumer(url, lake)
    try:
        yield process
    finally:
        process.kill()
        process.join()


def eventually(holds: Callable[[], bool], within_s: float = 60.0) -> None:
    """Wait until it holds; an error when it does not. The default is for a slow machine with other work."""
    deadline = time.monotonic() + within_s
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _consumer(url: str, lake: Lake) -> BaseProcess:
    process = spawn.Process(target=consume, args=(url, lake.uri), daemon=True)
    process.start()
    return process


def outcome(url: str, lake: Lake, acknowledged: set[str], running: Sequence[BaseProcess] = ()) -> Outcome:
    """End the consumers that run, move what is left to the lake, and count."""
    for process in running:
        process.kill()
        process.join()
    store = open_store(url)
    time.sleep(OPTIONS.lease_s)  # of the consumers that were just killed
    drain(store, lake, OPTIONS.half_life_s)
    counts = store.item_counts(["item"])[0]
    store.close()
    in_lake = Counter(lake.read(Table.INTERACTIONS, ["interaction_id"])["interaction_id"].to_pylist())
    return Outcome(acknowledged, in_lake, counts.get("click", 0))
