"""What a message becomes: an event, or a dead letter with the reason."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from cluster.delta.lake import Lake
from cluster.kafka_topic import Message
from models.errors import ConfigError
from models.events import EventType
from models.tables import Table
from pipelines.streams.dead_letters import DeadLetters
from pipelines.streams.messages import MessageForm, check_messages


def messages(*values: object, first: int = 0) -> list[Message]:
    return [
        Message(0, offset, value if value is None or isinstance(value, bytes) else json.dumps(value).encode())
        for offset, value in enumerate(values, start=first)
    ]


CLICK = {"interaction_id": "e1", "user_id": "ann", "item_id": "i1", "event_type": "Click", "timestamp": 1769860800}


def test_an_event_with_everything() -> None:
    more = {"rating": "4.5", "session_id": "s", "recommendation_id": "r", "position": 3, "country": "NL", "page": "x"}
    [event], bad = check_messages(messages({**CLICK, **more}), "clicks", MessageForm())
    assert bad == []
    assert (event.interaction_id, event.event_type, event.rating, event.position) == ("e1", EventType.CLICK, 4.5, 3)
    assert (event.session_id, event.recommendation_id, event.country) == ("s", "r", "NL")
    assert event.timestamp == datetime(2026, 1, 31, 12, tzinfo=UTC)


def test_names_types_and_units_as_they_are_said_to_be() -> None:
    form = MessageForm({"item_id": "sku", "timestamp": "at"}, EventType.PURCHASE)
    given = {"user_id": "ann", "sku": "i9", "item_id": "other", "at": 1769860800000}
    [event], bad = check_messages(messages(given), "orders", form)
    assert bad == []
    assert (event.item_id, event.event_type) == ("i9", EventType.PURCHASE)
    assert event.timestamp == datetime(2026, 1, 31, 12, tzinfo=UTC)
    # Without an id of its own an event has the hash of its content, the same at every delivery.
    [again], _ = check_messages(messages(given, first=7), "orders", form)
    assert again.interaction_id == event.interaction_id
    with pytest.raises(ConfigError, match="Did you mean item_id"):
        MessageForm({"itemid": "sku"})


def test_poison_is_told_from_the_good_beside_it() -> None:
    values = [
        b"{",
        CLICK,
        None,
        [1],
        {**CLICK, "event_type": "jump"},
        b"\xff",
        {"user_id": "u"},
        {**CLICK, "timestamp": 9e99},
    ]
    good, bad = check_messages(messages(*values, first=40), "clicks", MessageForm(time_unit="s"))
    assert [event.interaction_id for event in good] == ["e1"]
    assert [(message.offset, refused.row, refused.reason.split(":")[0]) for message, refused in bad] == [
        (40, 40, "json"), (42, 42, "json"), (43, 43, "json"), (44, 44, "event_type"), (45, 45, "encoding"),
        (46, 46, "item_id"), (47, 47, "timestamp"),
    ]  # fmt: skip
    assert {refused.source for _, refused in bad} == {"kafka://clicks/0"}
    assert bad[1][1].reason == "json: message has no value"
    assert json.loads(bad[3][1].record or "")["event_type"] == "jump"


def test_no_messages_are_no_events() -> None:
    assert check_messages([], "clicks", MessageForm()) == ([], [])


def test_a_letter_is_kept_once_however_the_deliveries_are_cut(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "lake"))
    _, letters = check_messages(messages(*[b"{"] * 6), "clicks", MessageForm())
    kept = DeadLetters(lake, "clicks", "topic-1")
    for part in (letters[:3], letters[1:5], letters[:6], []):
        kept.keep(part)
    assert sorted(lake.read(Table.QUARANTINE)["source_row"].to_pylist()) == [0, 1, 2, 3, 4, 5]
    # A topic of the same name made anew begins at 0 again.
    DeadLetters(lake, "clicks", "topic-2").keep(letters[:2])
    assert lake.num_rows(Table.QUARANTINE) == 8
