"""Kafka brokers on loopback: those that librdkafka itself is tested with, in a process of their own.

They speak Kafka's protocol over TCP, groups and their rebalances included, and keep messages in memory. They make a
topic of four partitions when it is written to, and do not describe topics.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Sequence

import pytest
from confluent_kafka import Producer

NUM_PARTITIONS = 4
_BROKERS = """
import sys, time
from confluent_kafka import Producer
brokers = Producer({"bootstrap.servers": "none", "test.mock.num.brokers": 2, "log_level": 2})
found = brokers.list_topics(timeout=10).brokers.values()
print(",".join(f"{each.host}:{each.port}" for each in found), flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="session")
def kafka() -> Iterator[str]:
    """Addresses of two brokers that live as long as the session."""
    brokers = subprocess.Popen(
        [sys.executable, "-c", _BROKERS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert brokers.stdout is not None
    assert brokers.stdin is not None
    try:
        yield brokers.stdout.readline().strip()
    finally:
        brokers.stdin.close()
        brokers.wait(10)


def produce(servers: str, topic: str, values: Sequence[bytes | None]) -> None:
    """Message n to partition n % 4; all of them are there when it returns."""
    producer = Producer({"bootstrap.servers": servers, "log_level": 2})
    for number, value in enumerate(values):
        producer.produce(topic, value, partition=number % NUM_PARTITIONS)
    assert producer.flush(20) == 0
