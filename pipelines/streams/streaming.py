"""A Kafka topic into the event log.

    read ─> check ─┬─> events: append to the online store (the acknowledgement) ─┬─> commit the offsets
                   └─> bad:    quarantine, with the reason ──────────────────────┘

A crash before the commit delivers the same messages again. The store knows their ids, and the quarantine its offsets.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Event

from cluster.commands.console import say
from cluster.kafka_topic import KafkaTopic
from cluster.online.store import OnlineStore
from models.errors import StoreError
from models.events import Interaction
from pipelines.streams.dead_letters import DeadLetters
from pipelines.streams.messages import MessageForm, check_messages

BATCH_SIZE = 1_000
_WAIT_S = 0.5
_PAUSES_S = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Between tries of an append that the store did not answer; well below what the group waits for a member."""


@dataclass(frozen=True, slots=True)
class Progress:
    """Messages so far: `taken`, `known` (taken before), `refused`. `lag`: by partition of this member."""

    taken: int = 0
    known: int = 0
    refused: int = 0
    lag: tuple[tuple[int, int], ...] = ()


def stream(
    topic: KafkaTopic,
    store: OnlineStore,
    letters: DeadLetters,
    form: MessageForm,
    stop: Event,
    on_batch: Callable[[Progress], None],
    pauses_s: Sequence[float] = _PAUSES_S,
) -> Progress:
    """Take messages until `stop` is set; a batch that was begun is finished and committed."""
    so_far = Progress()
    while not stop.is_set():
        messages = topic.read(BATCH_SIZE, _WAIT_S)
        good, bad = check_messages(messages, topic.topic, form)
        taken = _append(store, good, pauses_s)
        letters.keep(bad)
        topic.commit(messages)
        so_far = Progress(
            so_far.taken + taken,
            so_far.known + len(good) - taken,
            so_far.refused + len(bad),
            tuple(sorted(topic.lag().items())),
        )
        on_batch(so_far)
    return so_far


def _append(store: OnlineStore, events: Sequence[Interaction], pauses_s: Sequence[float]) -> int:
    """How many were new. A store that does not answer is asked again, under the same ids."""
    if not events:
        return 0
    for pause_s in pauses_s:
        try:
            return sum(store.append(events))
        except StoreError as error:
            say(f"{error} Trying again in {pause_s:g} s.")
            time.sleep(pause_s)
    return sum(store.append(events))
