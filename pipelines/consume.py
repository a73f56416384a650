"""Move the event log to the lake and count what is trending, until Ctrl-C; or show how far that is (status).

Each consumer is a process that takes its share of the log's partitions. One that dies is started again, and others
take its share over meanwhile. With --here it is this process, without Ray, and whoever started it starts it again.
"""

from __future__ import annotations

import argparse
import signal
import threading
from collections.abc import Sequence

from cluster.commands.console import add_places, parser, run, say, settings
from cluster.online.store import OnlineStore, open_store
from cluster.settings import Settings
from models.errors import ConfigError


def main(argv: Sequence[str] | None = None) -> int:
    """Consume the log of the store that `SHOAL_STORE` names, or show its state."""
    num = max(1, settings().consumers)
    args_parser = parser(
        "consume",
        __doc__,
        "shoal consume --consumers 4 --lake s3://shop/lake\n  shoal consume --here\n  shoal consume status",
    )
    args_parser.add_argument("action", nargs="?", choices=("run", "status"), default="run", help="(default: run)")
    where = args_parser.add_mutually_exclusive_group()
    where.add_argument("--consumers", type=int, default=num, help=f"how many, by Ray (default: {num})")
    where.add_argument(
        "--here", action="store_true", help="one, in this process, for a supervisor that starts it again"
    )
    args_parser.add_argument(
        "--metrics-port",
        type=int,
        metavar="PORT",
        help="with --here: Prometheus reads there, at SHOAL_HOST, how far it is",
    )
    add_places(args_parser, "lake")
    return run(args_parser, _consume, argv)


def _consume(args: argparse.Namespace) -> int:
    if args.action == "status":
        store = open_store(Settings().store_url)
        print("\n".join(status(store)))
        store.close()
        return 0
    if args.metrics_port is not None and not args.here:
        raise ConfigError("--metrics-port is for --here. Consumers of Ray are in Ray's own metrics.")
    return _run_here(args) if args.here else _run_on_ray(args)


def _run_here(args: argparse.Namespace) -> int:
    from cluster.consuming.consumer import ConsumeOptions
    from cluster.consuming.here import consume_here

    stop, settings_now = _stopped_by_signals(), Settings()
    metrics = None if args.metrics_port is None else (settings_now.host, args.metrics_port)
    say(f"this consumer moves the event log to {args.lake}. Ctrl-C stops it.")
    consume_here(settings_now.store_url, args.lake, ConsumeOptions.from_settings(settings_now), stop, metrics)
    return 0


def _run_on_ray(args: argparse.Namespace) -> int:
    from cluster.consuming.consumer import ConsumeOptions
    from cluster.consuming.fleet import consumers
    from cluster.ray_session import ray_session

    with ray_session():
        stop = _stopped_by_signals()  # after Ray, which sets its own
        options = ConsumeOptions.from_settings(Settings())
        with consumers(Settings().store_url, args.lake, args.consumers, options):
            say(f"{args.consumers} consumers move the event log to {args.lake}. Ctrl-C stops them.")
            stop.wait()
            say("stopping")
    return 0


def _stopped_by_signals() -> threading.Event:
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    return stop


def status(store: OnlineStore) -> list[str]:
    """Lines of a table: how far each job is behind in each partition, and who works on it."""
    holders = {(lease.job, lease.partition): lease.owner for lease in store.leases.holders()}
    lines = [f"{'job':<10}{'partition':>9}{'entries':>12}{'seconds':>10}  consumer"]
    for lag in store.log.lags():
        holder = holders.get((lag.job, lag.partition), "nobody")
        lines.append(f"{lag.job:<10}{lag.partition:>9}{lag.num_entries:>12,}{lag.seconds:>10.1f}  {holder}")
    num = store.log.num_dead_letters()
    return [*lines, f"{num:,} dead letters" + (": shoal dead-letters list" if num else "")]


if __name__ == "__main__":
    raise SystemExit(main())
