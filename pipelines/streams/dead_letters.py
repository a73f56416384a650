"""Messages that hold no event, into the quarantine table: each once, however often it is delivered.

As the event sink does, an append records per partition the last offset it holds; what is at or below it is left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from cluster.delta.lake import AppTransaction, Lake
from cluster.kafka_topic import Message
from models.tables import Table
from pipelines.streams.refused import Refused, quarantine_rows


class DeadLetters:
    """Of one topic. `identity`: of this topic, and not of one of the same name before it."""

    def __init__(self, lake: Lake, topic: str, identity: str) -> None:
        self._lake, self._app_id = lake, f"stream-{topic}-{identity}"

    def keep(self, letters: Sequence[tuple[Message, Refused]]) -> None:
        """Durable when it returns."""
        for partition in sorted({message.partition for message, _ in letters}):
            self._keep(partition, [(m.offset, refused) for m, refused in letters if m.partition == partition])

    def _keep(self, partition: int, letters: Sequence[tuple[int, Refused]]) -> None:
        app_id, last = f"{self._app_id}-{partition}", max(offset for offset, _ in letters)
        while (applied := self._lake.applied(Table.QUARANTINE, app_id)) < last:
            rows = quarantine_rows([refused for offset, refused in letters if offset > applied], datetime.now(UTC))
            self._lake.append(Table.QUARANTINE, rows, AppTransaction(app_id, last, after=applied))
