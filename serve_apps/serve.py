"""Answer over HTTP with the champion of the registry, until Ctrl-C."""

from __future__ import annotations

import argparse
import os
import signal
import tempfile
import threading
from collections.abc import Sequence
from pathlib import Path

from cluster.commands.console import add_places, parser, run, say, settings
from cluster.ray_session import ray_session
from cluster.registry import Registry
from cluster.settings import Settings
from models.errors import NotFoundError
from models.experiments import load_experiment
from serve_apps.environment import serve_environment
from serve_apps.http.door_options import DoorOptions

_EXAMPLE = "shoal serve --port 8000\n  curl 'localhost:8000/api/recommendations/home?user_id=42'"
_ROUTES = """\
serving on {url}
  {url}/api/recommendations/home?user_id=…
  {url}/api/recommendations/similar?item_id=…
  {url}/api/interactions, /api/feedback      POST
  {url}/api/health, /openapi.json
Ctrl-C stops it."""


def main(argv: Sequence[str] | None = None) -> int:
    """Serve and wait."""
    defaults = settings()
    args_parser = parser("serve", __doc__, _EXAMPLE)
    args_parser.add_argument("--host", default=defaults.host, help=f"address to listen on (default: {defaults.host})")
    args_parser.add_argument("--port", type=int, default=defaults.port, help=f"port (default: {defaults.port})")
    args_parser.add_argument("--experiments", type=Path, default=defaults.experiments, help="experiments file (TOML)")
    args_parser.add_argument("--stock", action="store_true", help="Ray Serve as it comes, for comparison")
    args_parser.add_argument(
        "--consumers",
        type=int,
        default=defaults.consumers,
        help=f"processes that move the event log on; 0: others do (default: {defaults.consumers})",
    )
    add_places(args_parser, "registry", "lake")
    return run(args_parser, _serve, argv)


def _serve(args: argparse.Namespace) -> int:
    asked = Settings(host=args.host, port=args.port)
    asked.check_listen()
    DoorOptions.of(asked)  # keys that cannot be read are said before anything starts
    registry = Registry(args.registry)
    if registry.champion() is None:
        raise NotFoundError(f"no champion in {args.registry}. Train and publish one: shoal train, shoal publish")
    for version in load_experiment(args.experiments).pinned:
        registry.manifest(version)
    # A short path: a Unix socket's may have 107 bytes, and Ray adds 60 to it.
    with tempfile.TemporaryDirectory(prefix="shoal-", dir="/tmp") as scratch:
        # A cluster that is already there has its own environment; see docs/serving.md for what it should be.
        if not args.stock and not os.environ.get("RAY_ADDRESS"):
            os.environ.update(serve_environment(Path(scratch)))
        _answer_until_stopped(args)
    return 0


def _answer_until_stopped(args: argparse.Namespace) -> None:
    from cluster.consuming.consumer import ConsumeOptions
    from cluster.consuming.fleet import consumers
    from serve_apps import app  # Ray Serve reads its environment when it is imported

    stop = threading.Event()
    with ray_session():
        for number in (signal.SIGINT, signal.SIGTERM):  # after Ray, which sets its own
            signal.signal(number, lambda *_: stop.set())
        graph = app.ServeArgs(host=args.host, registry=args.registry, experiments=args.experiments, stock=args.stock)
        options = ConsumeOptions.from_settings(Settings())
        with consumers(Settings().store_url, args.lake, args.consumers, options), app.running(graph, args.port):
            say(_ROUTES.format(url=f"http://{args.host}:{args.port}"))
            stop.wait()
            say("stopping")


if __name__ == "__main__":
    raise SystemExit(main())
