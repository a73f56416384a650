"""Take events from a Kafka topic into the event log, until Ctrl-C or SIGTERM. They count in the next answer.

Messages are JSON objects, mapped and checked as by shoal ingest; bad ones go to quarantine. Offsets are committed
behind the append, so started again it goes on where it stopped. As many processes as the topic has partitions may share
a group.
Passwords: SHOAL_KAFKA_PASSWORD or SHOAL_KAFKA_PASSWORD_FILE. Guide: docs/streams.md.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

from cluster.commands.console import add_places, parser, run, say
from cluster.delta.lake import Lake
from cluster.online.store import open_store
from cluster.settings import Settings
from pipelines.ingestion.options import add_row_options, parse_mapping
from pipelines.streams.durations import seconds
from pipelines.streams.stopping import stop_on_signals


def main(argv: Sequence[str] | None = None) -> int:
    """Stream, and print a line now and then."""
    args_parser = parser("stream", __doc__, "shoal stream --kafka broker:9092 --topic clicks --group shoal")
    add = args_parser.add_argument
    add("--kafka", required=True, metavar="HOST:PORT", help="the brokers to ask first, between commas")
    add("--topic", required=True, help="the topic to read")
    add("--group", default="shoal", help="the consumer group whose offsets are kept (default: shoal)")
    add("--report", type=seconds, default=10.0, help="how often to say how far it is (default: 10s)")
    add("--session", type=seconds, default=45.0, help="a member silent for so long is taken for dead (default: 45s)")
    add_row_options(args_parser)
    add_places(args_parser, "lake")
    return run(args_parser, _stream, argv)


def _stream(args: argparse.Namespace) -> int:
    from cluster.kafka_topic import KafkaTopic
    from pipelines.streams.dead_letters import DeadLetters
    from pipelines.streams.messages import MessageForm
    from pipelines.streams.streaming import Progress, stream

    form = MessageForm(parse_mapping(args.map), args.event_type, args.time_unit)
    store = open_store(Settings().store_url)
    topic = KafkaTopic(args.kafka, args.topic, args.group, session_timeout_s=args.session)
    said_at = time.monotonic()

    def report(so_far: Progress) -> None:
        nonlocal said_at
        if time.monotonic() - said_at >= args.report:
            said_at = time.monotonic()
            say(_line(so_far.taken, so_far.known, so_far.refused, dict(so_far.lag)))

    try:
        letters = DeadLetters(Lake(args.lake), args.topic, topic.identity())
        with stop_on_signals() as stop:
            done = stream(topic, store, letters, form, stop, report)
    finally:
        topic.close()
        store.close()
    print(_line(done.taken, done.known, done.refused, dict(done.lag)))
    return 0


def _line(taken: int, known: int, refused: int, lag: dict[int, int]) -> str:
    """`lag` by partition: how many messages wait there."""
    behind = f"{sum(lag.values()):,} messages behind on {len(lag)} partitions"
    return f"{taken:,} events taken, {known:,} known, {refused:,} quarantined; {behind}"


if __name__ == "__main__":
    raise SystemExit(main())
