"""The graph without Ray: the same stage classes in this process, over a real registry and a real store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from fastapi import FastAPI

from cluster.online.store import OnlineStore, open_store
from models.experiments import CHAMPION_FOR_ALL, Experiment
from serve_apps.chain.cursors import Cursors
from serve_apps.chain.exclusion import Exclusion
from serve_apps.chain.front import Front
from serve_apps.chain.router import Ranker, Retriever, Router
from serve_apps.http.door_options import DoorOptions
from serve_apps.http.gateway import create_api
from serve_apps.live.bundle_facts import BundleFacts
from serve_apps.live.bundles import LiveBundles
from serve_apps.live.experiment import LiveExperiment
from serve_apps.tiers.ranking import Ranking
from serve_apps.tiers.retrieval import Retrieval

CURSORS = Cursors(b"a key that all replicas have")


class Counted:
    """`Measures` in memory."""

    def __init__(self) -> None:
        self.stages: list[tuple[str, str]] = []
        self.rungs: Counter[tuple[str, str, str]] = Counter()
        self.bundles: dict[str, BundleFacts] = {}

    def stage(self, name: str, seconds: float, end: str) -> None:
        assert seconds >= 0
        self.stages.append((name, end))

    def answers(self, surface: str, rung: str, cause: str, num: int) -> None:
        self.rungs[surface, rung, cause] += num

    def bundle_loaded(self, facts: BundleFacts) -> None:
        self.bundles[facts.version] = facts

    def bundle_gone(self, version: str) -> None:
        del self.bundles[version]


@dataclass(frozen=True)
class Graph:
    """The application and what stands behind it."""

    app: FastAPI
    store: OnlineStore
    router: Router
    measures: Counted


MakeRetriever = Callable[[LiveBundles], Retriever]
MakeRanker = Callable[[LiveBundles], Ranker]


@contextmanager
def built(
    registry: str,
    store_url: str,
    door: DoorOptions,
    experiment: Experiment = CHAMPION_FOR_ALL,
    exclude_seen: bool = True,
    retrieval: MakeRetriever = Retrieval,
    ranking: MakeRanker = Ranking,
    experiments: Path | None = None,
) -> Iterator[Graph]:
    """The graph for the length of the block; tiers stand on the bundles of the router."""
    with ExitStack() as stack:
        store = open_store(store_url)
        stack.callback(store.close)
        measures = Counted()
        bundles = LiveBundles(registry, experiment.pinned, measures=measures)
        stack.callback(bundles.close)
        router = Router(
            bundles,
            store,
            LiveExperiment(experiment, bundles, experiments),
            retrieval(bundles),
            ranking(bundles),
            measures,
            Exclusion(seen=exclude_seen),
            CURSORS,
        )
        stack.callback(router.close)
        yield Graph(create_api(Front(router), store, door, CURSORS), store, router, measures)
