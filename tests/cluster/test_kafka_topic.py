"""A topic read in a group: what is not committed comes again, and members share the partitions."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.kafka_topic import KafkaTopic, Message, client_options
from cluster.settings import Settings
from models.errors import ConfigError, NotFoundError, StreamError
from tests.cluster.kafka_brokers import NUM_PARTITIONS, kafka, produce  # noqa: F401  (a fixture)


def read(topic: KafkaTopic, num: int, within_s: float = 30.0) -> list[Message]:
    found: list[Message] = []
    deadline = time.monotonic() + within_s
    while len(found) < num and time.monotonic() < deadline:
        found += topic.read(num - len(found), 0.2)
    return found


@pytest.fixture
def members(kafka: str, request: pytest.FixtureRequest) -> Iterator[list[KafkaTopic]]:  # noqa: F811
    """Members of one group of a topic named after the test; more may be added."""
    name = request.node.name
    produce(kafka, name, [b"%d" % n for n in range(20)])
    opened = [KafkaTopic(kafka, name, "group", session_timeout_s=6.0)]
    yield opened
    for topic in opened:
        topic.close()


@pytest.mark.slow
def test_a_new_member_goes_on_behind_the_commits_and_the_old_one_cannot_undo_it(
    members: list[KafkaTopic],
    kafka: str,  # noqa: F811
) -> None:
    first = members[0]
    messages = read(first, 20)
    assert sorted(int(m.value or b"") for m in messages) == list(range(20))
    assert first.lag() == dict.fromkeys(range(NUM_PARTITIONS), 0)
    assert first.commit([m for m in messages if m.offset < 3])
    assert first.commit([])
    second = KafkaTopic(kafka, first.topic, "group", session_timeout_s=6.0)
    members.append(second)
    again: list[Message] = []
    deadline = time.monotonic() + 30
    while len(again) < 4 and time.monotonic() < deadline:
        assert first.read(1, 0.1) == []
        again += second.read(4, 0.1)
    assert sorted([*first.lag(), *second.lag()]) == list(range(NUM_PARTITIONS))
    mine, moved = first.lag().keys(), second.lag().keys()
    assert Counter((m.partition, m.offset) for m in again) == Counter((p, o) for p in moved for o in (3, 4))
    assert not first.commit([m for m in messages if m.partition in moved])
    assert first.commit([m for m in messages if m.partition in mine])


def test_no_broker_is_an_error_that_says_so() -> None:
    with pytest.raises(StreamError, match=r"no Kafka broker answers: .*Check --kafka"):
        KafkaTopic("127.0.0.1:1", "clicks", "group", timeout_s=1.0)


@pytest.mark.slow
def test_a_topic_that_is_not_there_says_so(kafka: str) -> None:  # noqa: F811
    with pytest.raises(NotFoundError, match="there is no topic clickz"):
        KafkaTopic(kafka, "clickz", "group")


def test_a_setting_that_does_not_fit(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="Kafka settings do not fit"):
        KafkaTopic("127.0.0.1:1", "x", "group", Settings(kafka_protocol="ssl", kafka_ca_file=tmp_path / "none.pem"))


def test_the_password_is_from_the_environment_or_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert client_options(Settings()) == {"security.protocol": "plaintext"}
    monkeypatch.setenv("SHOAL_KAFKA_PROTOCOL", "sasl_ssl")
    with pytest.raises(ConfigError, match="SHOAL_KAFKA_PASSWORD_FILE"):
        client_options(Settings())
    monkeypatch.setenv("SHOAL_KAFKA_USERNAME", "shoal")
    monkeypatch.setenv("SHOAL_KAFKA_PASSWORD", "hush")
    by_variable = client_options(Settings())
    assert (by_variable["sasl.username"], by_variable["sasl.password"]) == ("shoal", "hush")
    assert "hush" not in repr(Settings())
    secret = tmp_path / "secret"
    secret.write_text("quiet\n")
    monkeypatch.setenv("SHOAL_KAFKA_PASSWORD_FILE", str(secret))
    with pytest.raises(ConfigError, match="both SHOAL_KAFKA_PASSWORD and"):
        client_options(Settings())
    monkeypatch.delenv("SHOAL_KAFKA_PASSWORD")
    assert client_options(Settings())["sasl.password"] == "quiet"
    secret.unlink()
    with pytest.raises(ConfigError, match="cannot be read"):
        client_options(Settings())
