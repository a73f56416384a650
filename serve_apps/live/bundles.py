"""The bundles of a replica: the champion, followed in the background, and those that variants pin."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Sequence

from cluster.registry import Registry
from models.errors import BundleError, NotFoundError
from models.recommender import Recommender

_log = logging.getLogger(__name__)
POLL_S = 1.0
SETTLE_S = 3.0
"""The router changes over this much later than the stages behind it, so that they hold what it asks them for."""


class LiveBundles:
    """Thread-safe. A bundle that does not load is refused and logged; the one before it goes on answering.

    A new champion is loaded beside the old one, which is kept for the requests under way. `pinned` versions are
    loaded at the start and stay. Raises `NotFoundError` while the registry has no champion.
    """

    def __init__(self, registry_uri: str, pinned: Sequence[str] = (), settle_s: float = 0.0) -> None:
        self._registry = Registry(registry_uri)
        self._pinned = frozenset(pinned)
        self._settle_s = settle_s
        self._loading = threading.Lock()
        self._loaded: dict[str, Recommender] = {}
        self._refused: str | None = None
        self._prepare: Callable[[Recommender], None] | None = None
        champion = self._registry.champion()
        if champion is None:
            raise NotFoundError(f"no champion in {registry_uri}. Train and publish one: shoal train, shoal publish")
        self._champion = self._load(champion)
        for version in self._pinned:
            self._load(version)
        self._stop = threading.Event()
        threading.Thread(target=self._follow, name="follow-registry", daemon=True).start()

    @property
    def champion(self) -> Recommender:
        """The newest champion that loaded."""
        return self._champion

    @property
    def loaded(self) -> list[Recommender]:
        """Every bundle in memory."""
        return list(self._loaded.values())

    def held(self, version: str) -> Recommender | None:
        """The bundle of a version if it is in memory."""
        return self._loaded.get(version)

    def before_each(self, prepare: Callable[[Recommender], None]) -> None:
        """Have this done to every bundle in memory now, and to each that is loaded later before it answers."""
        self._prepare = prepare
        for recommender in self.loaded:
            prepare(recommender)

    async def get(self, version: str) -> Recommender:
        """The bundle of a version; one that is not in memory yet is loaded in a thread."""
        found = self._loaded.get(version)
        return found if found is not None else await asyncio.to_thread(self._load, version)

    def close(self) -> None:
        """Stop following."""
        self._stop.set()

    def _load(self, version: str) -> Recommender:
        with self._loading:
            found = self._loaded.get(version)
            if found is None:
                digest = self._registry.manifest(version).feature_digest
                found = Recommender.load(self._registry.fetch(version), version, digest)
                if self._prepare is not None:
                    self._prepare(found)
                self._loaded = {**self._loaded, version: found}
            return found

    def _follow(self) -> None:
        while not self._stop.wait(POLL_S):
            try:
                version = self._registry.champion()
                if version is not None and version not in (self._champion.version, self._refused):
                    self._change_to(version)
            except Exception:  # the registry may be back at the next look; a thread that ended would never look
                _log.exception("cannot follow the registry; champion stays %s", self._champion.version)

    def _change_to(self, version: str) -> None:
        try:
            new = self._load(version)
        except (BundleError, NotFoundError) as error:
            self._refused = version
            _log.error("champion stays %s: %s", self._champion.version, error)
            return
        self._stop.wait(self._settle_s)
        kept = {self._champion.version, version, *self._pinned}
        self._champion, self._refused = new, None
        with self._loading:
            self._loaded = {name: bundle for name, bundle in self._loaded.items() if name in kept}
        _log.info("champion is now %s", version)
