"""A Kafka topic, read as a member of a consumer group. The only home of `confluent_kafka`.

What was read is committed by hand, behind what was done with it: every message is delivered at least once. Partitions
move between members of a group only within `read`, so between two reads nothing that was handed out changes its owner,
unless the work on it outlasts `MAX_WORK_S`: then the commit is refused, and whoever has the partition reads on from the
last one.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient

from cluster.settings import Settings
from models.errors import ConfigError, NotFoundError, StreamError

MAX_WORK_S = 300
"""Longest work on what one read gave."""
_DESCRIBE_S = 3.0
_CRITICAL = 2
"""What librdkafka may write by itself: it says every failed connection, hundreds a minute. `error_cb` is told too."""
_BUFFER_KIB = 32 << 10
"""Of messages fetched ahead, in all."""
_MOVED_ON = {
    KafkaError.ILLEGAL_GENERATION,
    KafkaError.UNKNOWN_MEMBER_ID,
    KafkaError.REBALANCE_IN_PROGRESS,
    KafkaError.FENCED_INSTANCE_ID,
    KafkaError._NO_OFFSET,
}
"""Answers to a commit that say: another member has these partitions now."""
_REFUSED = {
    KafkaError._AUTHENTICATION,
    KafkaError._SSL,
    KafkaError.SASL_AUTHENTICATION_FAILED,
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
}
"""Errors that waiting does not mend; all others the client repeats by itself."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Message:
    """One message; `value` is None for one that only says a key is gone."""

    partition: int
    offset: int
    value: bytes | None = field(repr=False)


class KafkaTopic:
    """One topic for one member of a group. `servers`: `host:port`, several between commas.

    Every method raises `StreamError` when the brokers refuse. While none of them answers, `read` waits and says so.
    """

    def __init__(
        self,
        servers: str,
        topic: str,
        group: str,
        settings: Settings | None = None,
        *,
        session_timeout_s: float = 45.0,
        timeout_s: float = 10.0,
    ) -> None:
        self.topic = topic
        self._refusal: KafkaError | None = None
        self._troubles: dict[int, str] = {}
        self._common = {
            "bootstrap.servers": servers,
            "error_cb": self._on_error,
            "log_level": _CRITICAL,
            **client_options(settings or Settings()),
        }
        own = {
            "group.id": group,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "partition.assignment.strategy": "cooperative-sticky",
            "isolation.level": "read_committed",
            "max.poll.interval.ms": MAX_WORK_S * 1_000,
            "session.timeout.ms": round(session_timeout_s * 1_000),
            "heartbeat.interval.ms": round(session_timeout_s * 1_000 / 10),
            "queued.max.messages.kbytes": _BUFFER_KIB,
        }
        try:
            self._consumer = Consumer({**self._common, **own})
        except KafkaException as error:
            raise ConfigError(
                f"Kafka settings do not fit: {_text(error)}. See shoal settings, SHOAL_KAFKA_*."
            ) from None
        self._find(timeout_s)
        self._consumer.subscribe([topic])

    def read(self, limit: int, timeout_s: float) -> list[Message]:
        """At most `limit` messages, in order within a partition; fewer, or none, when `timeout_s` is over."""
        found = self._consumer.consume(limit, timeout_s)
        if self._refusal is not None:
            raise StreamError(f"Kafka refused: {self._refusal.str()}. Check SHOAL_KAFKA_* and the rights of the user.")
        errors = [error for message in found if (error := message.error()) is not None]
        for error in errors:
            if error.code() == KafkaError._MAX_POLL_EXCEEDED:  # the client joins the group again by itself
                _log.warning("Kafka: a batch took more than %d s, and the group went on without us", MAX_WORK_S)
            else:
                raise StreamError(f"topic {self.topic} cannot be read: {error.str()}. Start again once it can.")
        messages = [_message(message) for message in found if message.error() is None]
        if messages:
            self._troubles.clear()
        return messages

    def commit(self, messages: Sequence[Message]) -> bool:
        """Done with the messages. False when others have partitions of theirs by now, and will read them again."""
        own = {each.partition for each in self._consumer.assignment()}
        following = {m.partition: m.offset + 1 for m in sorted(messages, key=lambda m: m.offset)}
        offsets = [TopicPartition(self.topic, p, offset) for p, offset in following.items() if p in own]
        if not offsets:
            return not messages
        try:
            self._consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            if _code(error) in _MOVED_ON:
                return False
            raise StreamError(f"offsets of {self.topic} were not committed: {_text(error)}. Start again.") from error
        return len(offsets) == len(following)

    def lag(self) -> dict[int, int]:
        """By partition of this member, how many messages are there that it was not handed yet."""
        behind = {}
        for at in self._consumer.position(self._consumer.assignment()):
            low, high = self._consumer.get_watermark_offsets(TopicPartition(self.topic, at.partition), cached=True)
            if high >= 0:
                behind[at.partition] = high - (at.offset if at.offset >= 0 else max(low, 0))
        return behind

    def identity(self) -> str:
        """The id Kafka gave the topic when it was made; empty when the brokers give none (before 2.8)."""
        admin = AdminClient(self._common)
        try:
            described = admin.describe_topics(TopicCollection([self.topic]), request_timeout=_DESCRIBE_S)
            return str(described[self.topic].result(_DESCRIBE_S).topic_id)
        except (KafkaException, TimeoutError) as error:
            _log.warning("Kafka does not say which topic %s is: %s", self.topic, error or "no answer")
            return ""

    def close(self) -> None:
        """Leave the group, so that the others have the partitions at once."""
        self._consumer.close()

    def _find(self, timeout_s: float) -> None:
        try:
            found = self._consumer.list_topics(self.topic, timeout=timeout_s).topics[self.topic]
        except KafkaException as error:
            self._consumer.close()
            reason = self._refusal.str() if self._refusal else "; ".join(self._troubles.values()) or _text(error)
            raise StreamError(f"no Kafka broker answers: {reason}. Check --kafka and SHOAL_KAFKA_*.") from error
        if found.error is not None:
            self._consumer.close()
            raise NotFoundError(f"there is no topic {self.topic}: {found.error.str()}. Create it, or name another.")

    def _on_error(self, error: KafkaError) -> None:
        if error.fatal() or error.code() in _REFUSED:
            self._refusal = error
        elif error.code() not in self._troubles:  # said once, however long it lasts
            self._troubles[error.code()] = error.str()
            _log.warning("Kafka: %s; trying again", error.str())


def client_options(settings: Settings) -> dict[str, Any]:
    """How to reach the brokers and who we are, as librdkafka names it."""
    options: dict[str, Any] = {"security.protocol": settings.kafka_protocol}
    if settings.kafka_ca_file is not None:
        options["ssl.ca.location"] = str(settings.kafka_ca_file)
    if not settings.kafka_protocol.startswith("sasl"):
        return options
    if not settings.kafka_username or not settings.kafka_password.get_secret_value():
        raise ConfigError(
            f"SHOAL_KAFKA_PROTOCOL is {settings.kafka_protocol}, which asks who we are. "
            "Set SHOAL_KAFKA_USERNAME, and SHOAL_KAFKA_PASSWORD or SHOAL_KAFKA_PASSWORD_FILE."
        )
    return options | {
        "sasl.mechanism": settings.kafka_mechanism,
        "sasl.username": settings.kafka_username,
        "sasl.password": settings.kafka_password.get_secret_value(),
    }


def _message(found: Any) -> Message:
    return Message(found.partition(), found.offset(), found.value())


def _code(error: KafkaException) -> int:
    return int(error.args[0].code())


def _text(error: KafkaException) -> str:
    return str(error.args[0].str() or error.args[0].name())
