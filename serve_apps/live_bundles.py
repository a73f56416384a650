"""The bundles of a replica: the champion, followed in the background, and those that variants pin."""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict

from cluster.registry import Registry
from models.errors import NotFoundError, ShoalError
from models.recommender import Recommender

_log = logging.getLogger(__name__)
_POLL_S = 2.0
_KEEP = 3


class LiveBundles:
    """Thread-safe. A bundle that does not load is refused and logged; the one before it goes on answering."""

    def __init__(self, registry_uri: str) -> None:
        self._registry = Registry(registry_uri)
        self._lock = threading.Lock()
        self._loaded: OrderedDict[str, Recommender] = OrderedDict()
        self._refused: str | None = None
        champion = self._registry.champion()
        if champion is None:
            raise NotFoundError(f"no champion in {registry_uri}. Train and publish one: shoal train, shoal publish")
        self._champion = self.get(champion).version
        threading.Thread(target=self._follow, name="follow-registry", daemon=True).start()

    @property
    def champion(self) -> str:
        """Version of the newest champion that loaded."""
        return self._champion

    def get(self, version: str) -> Recommender:
        """The bundle, loaded and verified if it is not in memory yet."""
        with self._lock:
            found = self._loaded.get(version)
            if found is None:
                digest = self._registry.manifest(version).feature_digest
                found = self._loaded[version] = Recommender.load(self._registry.fetch(version), version, digest)
            self._loaded.move_to_end(version)
            while len(self._loaded) > _KEEP:
                self._loaded.popitem(last=False)
            return found

    def _follow(self) -> None:
        tick = threading.Event()
        while not tick.wait(_POLL_S):
            try:
                version = self._registry.champion()
                if version in (None, self._champion, self._refused):
                    continue
                assert version is not None
                self._refused = version
                self._champion = self.get(version).version
                self._refused = None
            except (ShoalError, OSError) as error:
                _log.error("champion stays %s: %s", self._champion, error)
