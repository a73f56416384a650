"""Answer over HTTP with the champion of the registry, until Ctrl-C."""

from __future__ import annotations

import argparse
import os
import signal
import threading
from collections.abc import Sequence
from pathlib import Path

from cluster.console import add_places, parser, run, say
from cluster.ray_session import ray_session
from cluster.registry import Registry
from cluster.settings import Settings
from models.errors import NotFoundError
from models.experiments import load_experiment
from serve_apps.environment import serve_environment

_ROUTES = """\
  GET  /api/recommendations/home?user_id=…
  GET  /api/recommendations/similar?item_id=…
  POST /api/interactions
  POST /api/feedback
  GET  /api/health, /openapi.json"""


def main(argv: Sequence[str] | None = None) -> int:
    """Serve and wait."""
    settings = Settings()
    args_parser = parser(
        "serve", __doc__, "shoal serve --port 8000\n  curl 'localhost:8000/api/recommendations/home?user_id=42'"
    )
    args_parser.add_argument("--host", default=settings.host, help=f"address to listen on (default: {settings.host})")
    args_parser.add_argument("--port", type=int, default=settings.port, help=f"port (default: {settings.port})")
    args_parser.add_argument("--experiments", type=Path, default=settings.experiments, help="experiments file (TOML)")
    args_parser.add_argument("--stock", action="store_true", help="Ray Serve as it comes, for comparison")
    add_places(args_parser, "registry")
    return run(args_parser, _serve, argv)


def _serve(args: argparse.Namespace) -> int:
    settings = Settings(host=args.host, port=args.port)
    settings.check_listen()
    load_experiment(args.experiments)
    if Registry(args.registry).champion() is None:
        raise NotFoundError(f"no champion in {args.registry}. Train and publish one: shoal train, shoal publish")
    if not args.stock:
        os.environ.update(serve_environment(behind_keys=bool(settings.api_key_list)))
    from serve_apps import app  # Ray Serve reads its environment when it is imported

    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with ray_session():
        app.run(
            app.ServeArgs(registry=args.registry, experiments=args.experiments, stock=args.stock), args.host, args.port
        )
        say(f"serving on http://{args.host}:{args.port}\n{_ROUTES}\nCtrl-C stops it.")
        stop.wait()
        say("stopping")
        app.shutdown()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
