"""Every message is an event of the log once or a dead letter once, whatever ends, and lags behind nothing."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event

import pytest

from cluster.delta.lake import Lake
from cluster.kafka_topic import KafkaTopic
from cluster.online.store import OnlineStore
from cluster.sqlite.store import SqliteStore
from models.errors import StoreError
from models.events import Interaction
from models.tables import Table
from pipelines.streams.dead_letters import DeadLetters
from pipelines.streams.messages import MessageForm
from pipelines.streams.streaming import Progress, stream
from tests.cluster.kafka_brokers import kafka, produce  # noqa: F401  (a fixture)
from tests.cluster.online.store_suite import logged, logged_ids

pytestmark = pytest.mark.slow
_ROOT = Path(__file__).resolve().parents[3]


def clicks(numbers: range) -> list[bytes]:
    return [
        json.dumps(
            {"interaction_id": f"e{n}", "user_id": f"u{n % 7}", "item_id": "i", "timestamp": 1769860800 + n}
        ).encode()
        for n in numbers
    ]


def check(store: OnlineStore, num_events: int) -> None:
    assert Counter(logged_ids(store)) == Counter(f"e{n}" for n in range(num_events))


def test_a_lost_answer_and_poison_cost_nothing(kafka: str, tmp_path: Path) -> None:  # noqa: F811
    class Flaky(SqliteStore):
        """The real store, whose first answer is lost on the way."""

        lost = False

        def append(self, events: list[Interaction]) -> list[bool]:  # type: ignore[override]
            taken = super().append(events)
            if not self.lost:
                self.lost = True
                raise StoreError("the connection broke.")
            return taken

    store, lake, stop = Flaky(str(tmp_path / "online.db")), Lake(str(tmp_path / "lake")), Event()
    produce(kafka, "poisoned", [*clicks(range(30)), b"{", None, *clicks(range(30, 38))])
    topic = KafkaTopic(kafka, "poisoned", "shoal", session_timeout_s=6.0)
    deadline = time.monotonic() + 30

    def seen(so_far: Progress) -> None:
        if so_far.taken + so_far.known + so_far.refused == 40 or time.monotonic() > deadline:
            stop.set()

    done = stream(topic, store, DeadLetters(lake, "poisoned", ""), MessageForm(), stop, seen, pauses_s=(0.01,))
    topic.close()
    assert done.taken + done.known == 38
    assert done.known > 0  # what had been taken when the answer was lost
    assert (done.refused, done.lag) == (2, tuple((partition, 0) for partition in range(4)))
    check(store, 38)
    assert lake.num_rows(Table.QUARANTINE) == 2
    assert [len(user.history) for user in store.users(["u0", "u6"])] == [6, 5]


def test_a_process_that_is_killed_is_followed_by_one_that_ends_in_order(kafka: str, tmp_path: Path) -> None:  # noqa: F811
    store, lake = SqliteStore(str(tmp_path / "online.db")), Lake(str(tmp_path / "lake"))
    environment = os.environ | {"SHOAL_STORE": f"sqlite:///{tmp_path}/online.db"}
    command = [
        *(sys.executable, "-m", "pipelines.stream", "--kafka", kafka, "--topic", "killed", "--session", "6s"),
        *("--report", "100ms", "--lake", lake.uri),
    ]
    produce(kafka, "killed", [*clicks(range(3_000)), b"{"])
    with _process(command, environment) as killed:
        _wait(lambda: bool(logged(store)))
        killed.send_signal(signal.SIGKILL)
    produce(kafka, "killed", clicks(range(3_000, 3_500)))
    with _process(command, environment) as second:
        _wait(lambda: len(logged(store)) == 3_500 and lake.num_rows(Table.QUARANTINE) == 1)
        second.send_signal(signal.SIGTERM)
        out, err = second.communicate(timeout=60)
    assert second.returncode == 0, err
    assert re.fullmatch(
        r"[\d,]+ events taken, [\d,]+ known, [01] quarantined; 0 messages behind on 4 partitions\n", out
    )
    assert "messages behind on 4 partitions" in err
    check(store, 3_500)
    assert lake.num_rows(Table.QUARANTINE) == 1


@contextmanager
def _process(command: list[str], environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A process that does not outlive the block."""
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=_ROOT, env=environment, stdout=pipe, stderr=pipe, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def _wait(condition: Callable[[], bool], within_s: float = 180.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.2)
