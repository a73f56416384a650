"""The bundles of a replica: the champion, followed in the background, those that variants pin, a few beside them."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence

from cluster.registry import Registry
from models.errors import BundleError, NotFoundError, StoreError
from models.recommender import Recommender
from serve_apps.live.bundle_facts import BundleFacts, BundleMeasures, Unmeasured

_log = logging.getLogger(__name__)
POLL_S = 1.0
SETTLE_S = 3.0
"""The router changes over this much later than the stages behind it, so that they hold what it asks them for."""
IDLE_S = 300.0
"""How long a version that is neither champion nor pinned stays without being asked for."""
MAX_OTHERS = 2
"""Such versions in memory at once; the longest unused go first."""
IN_USE_S = 10.0
"""A version used so short ago may have a question under way, and stays, however many there are."""
_RETRY_S = 60.0
"""A version that was refused is looked at again after so long: verifying reads all of its files."""


class LiveBundles:
    """Thread-safe. A bundle that does not load is refused and logged; what answered before it goes on answering.

    A new champion is loaded beside the old one, which stays for the requests under way and goes when it is idle.
    Raises `NotFoundError` while the registry has no champion.
    """

    def __init__(
        self,
        registry_uri: str,
        pinned: Sequence[str] = (),
        settle_s: float = 0.0,
        measures: BundleMeasures | None = None,
        idle_s: float = IDLE_S,
    ) -> None:
        self._registry = Registry(registry_uri)
        self._pinned: frozenset[str] = frozenset()
        self._settle_s, self._idle_s, self._measures = settle_s, idle_s, measures or Unmeasured()
        self._loading = threading.Lock()
        self._loaded: dict[str, Recommender] = {}
        self._used: dict[str, float] = {}
        self._refused: dict[str, float] = {}
        self._prepare: Callable[[Recommender], None] | None = None
        champion = self._registry.champion()
        if champion is None:
            raise NotFoundError(f"no champion in {registry_uri}. Train and publish one: shoal train, shoal publish")
        self._champion = self._load(champion)
        self.pin(pinned)
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
        """The bundle of a version if it is in memory; to be asked for counts as use."""
        found = self._loaded.get(version)
        if found is not None:
            self._used[version] = time.monotonic()
        return found

    def answering(self, pinned: str | None) -> str:
        """The version that answers a variant: the one it pins, or the champion where it pins none or one refused."""
        return self._champion.version if pinned is None or pinned in self._refused else pinned

    def before_each(self, prepare: Callable[[Recommender], None]) -> None:
        """Have this done to every bundle in memory now, and to each that is loaded later before it answers.

        One for which it raises a `StoreError` later is not loaded, and is tried again at the next look.
        """
        self._prepare = prepare
        for recommender in self.loaded:
            prepare(recommender)

    def pin(self, versions: Iterable[str]) -> None:
        """Hold these from now on, instead of those pinned before. Blocks while they load; one that does not is refused
        and logged, and looked at again every minute.
        """
        before, self._pinned = self._pinned, frozenset(versions)
        for version in before - self._pinned:
            self._used[version] = time.monotonic()
        for version in self._pinned:
            self._try(version)

    async def get(self, version: str) -> Recommender:
        """The bundle of a version; one that is not in memory yet is loaded in a thread. `BundleError` when it was
        refused; `NotFoundError`.
        """
        self._used[version] = time.monotonic()
        found = self._loaded.get(version)
        return found if found is not None else await asyncio.to_thread(self._load, version)

    def close(self) -> None:
        """Stop following."""
        self._stop.set()

    def _load(self, version: str) -> Recommender:
        with self._loading:
            found = self._loaded.get(version)
            if found is not None:
                return found
            if time.monotonic() - self._refused.get(version, -_RETRY_S) < _RETRY_S:
                raise BundleError(f"bundle {version} was refused a moment ago: see the log. Publish it again.")
            try:
                manifest = self._registry.manifest(version)
                found = Recommender.load(self._registry.fetch(version), version, manifest.feature_digest)
            except (BundleError, NotFoundError):
                self._refused[version] = time.monotonic()
                raise
            if self._prepare is not None:
                self._prepare(found)
            self._used[version] = time.monotonic()
            self._refused.pop(version, None)
            self._loaded = {**self._loaded, version: found}
            self._measures.bundle_loaded(BundleFacts.of(manifest))
            return found

    def _try(self, version: str) -> Recommender | None:
        try:
            return self._load(version)
        except (BundleError, NotFoundError, StoreError) as error:
            _log.error("version %s does not answer, the champion %s does: %s", version, self._champion.version, error)
            return None

    def _follow(self) -> None:
        while not self._stop.wait(POLL_S):
            try:
                version = self._registry.champion()
                if version is not None and version != self._champion.version and self._may_try(version):
                    self._change_to(version)
                for missing in [pin for pin in self._pinned if pin not in self._loaded and self._may_try(pin)]:
                    self._try(missing)
                self._let_go()
            except Exception:  # the registry may be back at the next look; a thread that ended would never look
                _log.exception("cannot follow the registry; champion stays %s", self._champion.version)

    def _may_try(self, version: str) -> bool:
        return time.monotonic() - self._refused.get(version, -_RETRY_S) >= _RETRY_S

    def _change_to(self, version: str) -> None:
        new = self._try(version)
        if new is None:
            return
        self._stop.wait(self._settle_s)
        self._used[self._champion.version] = time.monotonic()
        self._champion = new
        _log.info("champion is now %s", version)

    def _let_go(self) -> None:
        """Of what is neither champion nor pinned nor in use: what is idle, and of the rest all but those used last."""
        now, stays = time.monotonic(), {self._champion.version, *self._pinned}
        with self._loading:
            others = sorted(self._loaded.keys() - stays, key=lambda name: -self._used.get(name, 0.0))
            in_use = [name for name in others if now - self._used.get(name, 0.0) <= IN_USE_S]
            fresh = [name for name in others if now - self._used.get(name, 0.0) <= self._idle_s][:MAX_OTHERS]
            gone = set(others) - {*in_use, *fresh}
            self._loaded = {name: bundle for name, bundle in self._loaded.items() if name not in gone}
        for version in [name for name in list(self._used) if name not in self._loaded]:
            self._used.pop(version, None)
        for version in gone:
            self._measures.bundle_gone(version)
            _log.info("version %s is no longer in use, and no longer in memory", version)
