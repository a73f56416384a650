"""GET requests at a given rate whatever comes of them, or by so many callers in turn, from a process of its own.

An open loop: a request is due at its time, and its latency counts from then, so a server that stalls is not spared the
requests that a waiting caller would not have sent (Schroeder, Wierman, Harchol-Balter, "Open versus closed: a
cautionary tale", 2006). The client is a bare protocol on sockets: on two cores shared with the server, the libraries
at hand (aiohttp, httpx) would take as much of them as the server does.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Event
from typing import cast
from urllib.parse import urlsplit

import numpy as np
import uvloop

_LAST_ANSWERS_S = 15.0
_spawn = multiprocessing.get_context("spawn")


@dataclass(frozen=True, slots=True)
class Answered:
    """One request. `sent`: when it was due, by `time.monotonic`; `status` 0: no answer; `rung` "": the full chain."""

    sent: float
    latency_ms: float
    status: int
    rung: str = ""
    version: str = ""
    retry_after: bool = False
    our_error: bool = False

    @property
    def ok(self) -> bool:
        """It is 2xx."""
        return 200 <= self.status < 300

    @property
    def clean_refusal(self) -> bool:
        """A 503 of ours that says when to come back."""
        return self.status == 503 and self.retry_after and self.our_error


@dataclass
class Answers:
    """What a load was answered, in the order of the answers."""

    all: list[Answered] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.all)

    @property
    def ok(self) -> list[Answered]:
        """Those that are 2xx."""
        return [each for each in self.all if each.ok]

    @property
    def failed(self) -> list[Answered]:
        """Those that are not 2xx."""
        return [each for each in self.all if not each.ok]

    def since(self, moment: float) -> Answers:
        """Those that were due at or after a moment of `time.monotonic`."""
        return Answers([each for each in self.all if each.sent >= moment])

    def p(self, percent: float) -> float:
        """A percentile of the latencies of those that are 2xx, milliseconds; NaN when there are none."""
        return float(np.percentile([each.latency_ms for each in self.ok] or [np.nan], percent))

    def rungs(self) -> Counter[str]:
        """How many 2xx came from each rung; `full` for the full chain."""
        return Counter(each.rung or "full" for each in self.ok)

    def line(self) -> str:
        """All of it in one line."""
        statuses = Counter(each.status for each in self.all)
        rungs = ", ".join(f"{rung} {num}" for rung, num in self.rungs().most_common())
        return (
            f"{len(self):,} requests, p50 {self.p(50):.1f} p99 {self.p(99):.1f} max {self.p(100):.0f} ms; "
            f"statuses {dict(statuses)}; {rungs}"
        )


class Load:
    """A load that is under way; `answers` are there once it has ended."""

    def __init__(self, stop: Event, results: Connection) -> None:
        self._stop, self._results = stop, results
        self.answers = Answers()

    def end(self) -> None:
        """Send no more, and wait for the answers that are due."""
        self._stop.set()
        if not self.answers.all:
            self.answers = Answers(self._results.recv())


@contextmanager
def load(url: str, paths: Sequence[str], *, rate: float = 0.0, callers: int = 0) -> Iterator[Load]:
    """Ask for the paths in turn, `rate` a second, or by `callers`, until the block ends."""
    stop = _spawn.Event()
    ours, theirs = _spawn.Pipe(duplex=False)
    process = _spawn.Process(target=_run, args=(url, list(paths), rate, callers, stop, theirs), daemon=True)
    process.start()
    theirs.close()
    assert ours.recv() == "started"
    under_way = Load(stop, ours)
    try:
        yield under_way
        under_way.end()
    finally:
        stop.set()
        process.join(2 * _LAST_ANSWERS_S)
        process.kill()


def ask_for(url: str, paths: Sequence[str], seconds: float, *, rate: float = 0.0, callers: int = 0) -> Answers:
    """The answers of a load of some seconds."""
    with load(url, paths, rate=rate, callers=callers) as under_way:
        time.sleep(seconds)
    return under_way.answers


def homes(num_users: int, timeout_ms: int | None = None) -> list[str]:
    """Paths of home rows of users `u0 …`, in an order that is not theirs; without a time: the time by default."""
    time_asked = "" if timeout_ms is None else f"&timeout_ms={timeout_ms}"
    return [f"/api/recommendations/home?user_id=u{n * 7919 % num_users}{time_asked}" for n in range(num_users)]


def _run(url: str, paths: list[str], rate: float, callers: int, stop: Event, results: Connection) -> None:
    uvloop.run(_Client(url, paths).run(rate, callers, stop, results))


class _Client:
    def __init__(self, url: str, paths: list[str]) -> None:
        self._host, self._port = urlsplit(url).hostname, urlsplit(url).port
        self._requests = [f"GET {path} HTTP/1.1\r\nHost: {self._host}\r\n\r\n".encode() for path in paths]
        self._free: deque[_Connection] = deque()
        self._answers: list[Answered] = []
        self._asked = 0

    async def run(self, rate: float, callers: int, stop: Event, results: Connection) -> None:
        results.send("started")
        under_way = {asyncio.create_task(self._caller(stop)) for _ in range(callers)}
        if rate:
            await self._open_loop(rate, stop, under_way)
        while not stop.is_set():
            await asyncio.sleep(0.05)
        if under_way:
            await asyncio.wait(under_way, timeout=_LAST_ANSWERS_S)
        never = Answered(time.monotonic() - _LAST_ANSWERS_S, 1_000 * _LAST_ANSWERS_S, 0)
        results.send(self._answers + [never] * (self._asked - len(self._answers)))

    async def _open_loop(self, rate: float, stop: Event, under_way: set[asyncio.Task[None]]) -> None:
        started, sent = time.monotonic(), 0
        while not stop.is_set():
            due = 1 + int((time.monotonic() - started) * rate)
            for number in range(sent, due):
                task = asyncio.create_task(self._ask(started + number / rate))
                under_way.add(task)
                task.add_done_callback(under_way.discard)
            sent = due
            await asyncio.sleep(0.002)

    async def _caller(self, stop: Event) -> None:
        while not stop.is_set():
            await self._ask(time.monotonic())

    async def _ask(self, due: float) -> None:
        """Once more on a new connection when one that was kept open turns out closed, as HTTP clients do for a GET
        (RFC 9112, section 9.3.1).
        """
        request = self._requests[self._asked % len(self._requests)]
        self._asked += 1
        kept = self._kept()
        try:
            connection = kept or await self._connect()
            try:
                status, head, body = await connection.ask(request)
            except OSError:
                if kept is None:
                    raise
                connection = await self._connect()
                status, head, body = await connection.ask(request)
        except OSError:
            self._answers.append(Answered(due, 1_000 * (time.monotonic() - due), 0))
            return
        latency_ms = 1_000 * (time.monotonic() - due)
        self._free.append(connection)
        rung, version = _text(body, b'"fallback":'), _text(body, b'"model_version":')
        ours = body.startswith(b'{"error":')
        self._answers.append(Answered(due, latency_ms, status, rung, version, b"retry-after:" in head.lower(), ours))

    def _kept(self) -> _Connection | None:
        while self._free:
            connection = self._free.pop()
            if connection.open:
                return connection
        return None

    async def _connect(self) -> _Connection:
        _, connection = await asyncio.get_running_loop().create_connection(_Connection, self._host, self._port)
        return connection


class _Connection(asyncio.Protocol):
    """One request at a time; every answer says its length."""

    def __init__(self) -> None:
        self.open = False
        self._seen = bytearray()
        self._answer: asyncio.Future[tuple[int, bytes, bytes]] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport, self.open = cast(asyncio.Transport, transport), True

    async def ask(self, request: bytes) -> tuple[int, bytes, bytes]:
        """Status, head and body of the answer; `ConnectionError` when there is none."""
        if not self.open:
            raise ConnectionResetError
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def data_received(self, data: bytes) -> None:
        self._seen += data
        end = self._seen.find(b"\r\n\r\n")
        if end < 0:
            return
        head = bytes(self._seen[:end])
        at = head.lower().find(b"content-length:")
        if at < 0:
            self._transport.abort()  # an answer without a length is none of ours
            return
        size = int(head[at + 15 :].split(b"\r\n", 1)[0])
        if len(self._seen) >= end + 4 + size and self._answer is not None and not self._answer.done():
            body = bytes(self._seen[end + 4 : end + 4 + size])
            self._seen.clear()
            self._answer.set_result((int(head[9:12]), head, body))

    def connection_lost(self, error: Exception | None) -> None:
        self.open = False
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(error or ConnectionResetError())


def _text(body: bytes, field_name: bytes) -> str:
    """A string of a JSON object by its field's name, empty for null or none."""
    at = body.find(field_name + b'"')
    if at < 0:
        return ""
    start = at + len(field_name) + 1
    return body[start : body.index(b'"', start)].decode()
