"""Messages of JSON to interactions, by the same mapping and checks as an ingest of JSON Lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from cluster.kafka_topic import Message
from models.errors import InputError
from models.events import EventType, Interaction
from models.tables import Table
from pipelines.ingestion.checking import REASON, RECORD, Rules, check_interactions
from pipelines.ingestion.chunks import ROW
from pipelines.ingestion.json_lines import objects
from pipelines.ingestion.plan import check_mapping
from pipelines.ingestion.timestamps import TimeUnit, guess_unit
from pipelines.streams.refused import Refused

_FIELDS = (
    "interaction_id", "user_id", "item_id", "event_type", "timestamp", "rating", "session_id", "recommendation_id",
    "position", "country", "device",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class MessageForm:
    """`mapping`: our name → theirs. `time_unit` None: decided by the median of the numbers read together."""

    mapping: Mapping[str, str] = field(default_factory=dict)
    event_type: EventType | None = None
    time_unit: TimeUnit | None = None

    def __post_init__(self) -> None:
        check_mapping(self.mapping)

    def renames(self) -> dict[str, str]:
        """Their name → ours. What stands in the way of a mapped name is out of it."""
        aside = {ours: f"{ours}_in_source" for ours, theirs in self.mapping.items() if ours != theirs}
        return aside | {theirs: ours for ours, theirs in self.mapping.items()}


def check_messages(
    messages: Sequence[Message], topic: str, form: MessageForm
) -> tuple[list[Interaction], list[tuple[Message, Refused]]]:
    """The interactions of the messages in order, and the messages that hold none, with the reason."""
    chunk = objects([message.value or b"" for message in messages], Table.INTERACTIONS, form.renames(), first=0)
    bad = [(bad.row or 0, bad.reason, bad.record) for bad in chunk.bad]
    good: list[Interaction] = []
    if len(chunk.frame):
        times = chunk.frame["timestamp"] if "timestamp" in chunk.frame.columns else None
        unit = form.time_unit or (guess_unit(times) if times is not None else None) or "s"
        checked = check_interactions(chunk.frame, Rules(unit, datetime.now(UTC), event_type=form.event_type))
        for row in checked.iter_rows(named=True):
            reason = row[REASON]
            if reason is None:
                try:
                    good.append(Interaction(**{name: row[name] for name in _FIELDS}))
                    continue
                except InputError as error:
                    reason = f"event: {error}"
            bad.append((row[ROW], reason, row[RECORD]))
    return good, [(messages[at], _refused(messages[at], topic, reason, text)) for at, reason, text in sorted(bad)]


def _refused(message: Message, topic: str, reason: str, record: str | None) -> Refused:
    reason = reason if message.value is not None else "json: message has no value"
    return Refused(Table.INTERACTIONS, source_of(topic, message.partition), message.offset, reason, record)


def source_of(topic: str, partition: int) -> str:
    """What the quarantine table calls a partition."""
    return f"kafka://{topic}/{partition}"
