"""The same stages in one uvicorn process without Ray: what the graph's hops are measured against."""

from __future__ import annotations

import argparse
import signal

import uvicorn

from cluster.online.store import open_store
from cluster.settings import Settings
from models.experiments import CHAMPION_FOR_ALL
from serve_apps.chain.front import Front
from serve_apps.chain.router import Router
from serve_apps.http.door_options import DoorOptions
from serve_apps.http.gateway import create_api
from serve_apps.live.bundles import LiveBundles
from serve_apps.live.experiment import LiveExperiment
from serve_apps.tiers.ranking import Ranking
from serve_apps.tiers.retrieval import Retrieval


class _NoMeasures:
    def stage(self, name: str, seconds: float, end: str) -> None:
        pass

    def answers(self, surface: str, rung: str, cause: str, num: int) -> None:
        pass


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--registry", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--unbatched", action="store_true")
    args = parser.parse_args()
    settings = Settings(port=args.port)
    store, bundles = open_store(settings.store_url), LiveBundles(args.registry)
    tiers = Retrieval(bundles), Ranking(bundles)
    router = Router(bundles, store, LiveExperiment(CHAMPION_FOR_ALL, bundles), *tiers, _NoMeasures())
    app = create_api(Front(router, batched=not args.unbatched), store, DoorOptions.of(settings))
    signal.signal(signal.SIGTERM, lambda *_: None)  # uvicorn stops in order, then raises it again
    uvicorn.run(app, host="127.0.0.1", port=args.port, log_level="error", access_log=False)


if __name__ == "__main__":
    main()
