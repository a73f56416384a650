"""Random events as clients send them: some again, some late, some malformed; and what of them belongs in the lake."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.client import HTTPConnection
from typing import Any

import orjson
import pyarrow as pa

from models.events import EventType
from models.tables import TABLES, Table

BATCH = 500
_DUPLICATES, _LATE, _MALFORMED = 0.10, 0.05, 0.01
_WEEK_S = 7 * 86_400
_TYPES = [str(kind) for kind in EventType]
Event = dict[str, Any]


@dataclass(frozen=True)
class Sent:
    """An event and the verdict it should get."""

    event: Any
    status: str


def random_events(num: int, seed: int = 1) -> Iterator[Sent]:
    """Events in the order they are sent. A duplicate comes up to 5,000 events after its first."""
    chance = random.Random(seed)
    now = datetime.now(UTC)
    recent: list[Event] = []
    for number in range(num):
        draw = chance.random()
        if draw < _MALFORMED:
            yield Sent(_malformed(_event(chance, number, now), chance), "rejected")
        elif draw < _MALFORMED + _DUPLICATES and recent:
            yield Sent(chance.choice(recent), "duplicate")
        else:
            event = _event(chance, number, now)
            recent.append(event)
            del recent[:-5_000]
            yield Sent(event, "accepted")


def reference(sent: Sequence[Sent]) -> pa.Table:
    """The interactions that belong in the lake, by id."""
    rows = [_row(x.event) for x in sent if x.status == "accepted"]
    return pa.Table.from_pylist(rows, schema=TABLES[Table.INTERACTIONS].schema).sort_by("interaction_id")


def post(host: str, port: int, sent: Sequence[Sent]) -> list[str]:
    """Send in batches over one connection; what is wrong with the verdicts."""
    connection, problems = HTTPConnection(host, port, timeout=60), []
    for first in range(0, len(sent), BATCH):
        batch = sent[first : first + BATCH]
        body = orjson.dumps([x.event for x in batch])
        connection.request("POST", "/api/interactions", body, {"Content-Type": "application/json"})
        answer = connection.getresponse()
        verdicts = orjson.loads(answer.read())
        if answer.status != 200:
            problems.append(f"{answer.status}: {verdicts}")
            continue
        for x, verdict in zip(batch, verdicts["results"], strict=True):
            if verdict["status"] != x.status or (verdict["status"] == "accepted") == bool(verdict["reason"]):
                problems.append(f"{verdict} instead of {x.status}")
    connection.close()
    return problems


def _event(chance: random.Random, number: int, now: datetime) -> Event:
    age_s = chance.uniform(0, _WEEK_S) if chance.random() < _LATE else chance.uniform(0, 60)
    event: Event = {
        "interaction_id": f"e{number}",
        "user_id": f"u{chance.randrange(20_000)}",
        "item_id": f"i{int(5_000 * chance.random() ** 3)}",
        "event_type": chance.choice(_TYPES),
        "timestamp": (now - timedelta(seconds=age_s)).isoformat(),
    }
    if chance.random() < 0.5:
        event["country"] = chance.choice(("NO", "SE", "DK"))
    if event["event_type"] == "rating":
        event["rating"] = float(chance.randrange(1, 6))
    return event


def _malformed(event: Event, chance: random.Random) -> Any:
    spoilt: list[Any] = [
        {**event, "event_type": "lick"},
        {**event, "user_id": ""},
        {**event, "item_id": "x" * 129},
        {**event, "timestamp": "yesterday"},
        {**event, "timestamp": "2026-01-31T12:00:00"},
        {**event, "rating": 11},
        {**event, "colour": "red"},
        {name: value for name, value in event.items() if name != "user_id"},
        "no object",
        None,
    ]
    return chance.choice(spoilt)


def _row(event: Event) -> Event:
    moment = datetime.fromisoformat(event["timestamp"])
    empty = dict.fromkeys(TABLES[Table.INTERACTIONS].schema.names)
    return {**empty, **event, "timestamp": moment, "date": moment.date()}
