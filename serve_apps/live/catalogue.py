"""The views of a replica's bundles, kept level with the catalogue in the store."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterable, Sequence
from functools import partial
from weakref import WeakKeyDictionary

from cluster.online.catalogue_store import CatalogueStore
from models.catalogue_entries import Kind
from models.errors import StoreError
from models.filters.masks import Masks
from models.recommender import Recommender
from models.text_index import TextIndex
from serve_apps.live.fits import Fits
from serve_apps.live.item_view import MAX_TITLES, ItemView
from serve_apps.live.placing import Placing

_log = logging.getLogger(__name__)
_PAGE = 10_000
LOOK_S = 1.0
_PATIENCE_S = 5.0
_PLACES_AT_ONCE = 256
"""About a quarter of a second; what comes meanwhile is next."""


class LiveCatalogue:
    """Thread-safe. A view is made from what is restricted and the newest changes, then follows by version.

    It goes with its bundle. What has been taken in stays when the store fails, so that the next try goes on from there.
    A thread works out where newcomers stand, and looks every second for some that came while nobody asked.
    """

    def __init__(self, store: CatalogueStore) -> None:
        self._store = store
        self._views: WeakKeyDictionary[Recommender, ItemView] = WeakKeyDictionary()
        self._texts: WeakKeyDictionary[Recommender, TextIndex] = WeakKeyDictionary()
        self._masks, self._soft_masks = Masks(), Masks()
        self._loading = threading.Lock()
        self._indexing = threading.Lock()
        self._placings: WeakKeyDictionary[ItemView, Placing] = WeakKeyDictionary()
        self._woken, self._stopped = threading.Event(), False
        self._follower = threading.Thread(target=self._follow, name="follow-catalogue", daemon=True)
        self._follower.start()

    def texts(self, recommender: Recommender) -> TextIndex:
        """The full-text index of a bundle and what came after it, level with its view. Blocks while it is made."""
        view = self.view(recommender)
        with self._indexing:
            index = self._texts.get(recommender)
            changed = view.take_changed()
            if index is None or changed is None:
                index = self._texts[recommender] = TextIndex(view.texts())
            elif changed:
                index.remove(changed)
                index.put(text for text in changed.values() if text is not None)
            return index

    def close(self) -> None:
        """Stop following, and let go of every view and index, and of the threads that an index has."""
        self._stopped = True
        self._woken.set()
        self._follower.join(_PATIENCE_S)
        self._views.clear()
        self._texts.clear()

    def fits(self, recommenders: Iterable[Recommender], texts: Sequence[str], *, soft: bool = False) -> Fits:
        """What passes each of these filters, made for these bundles. Blocks; `FilterError`. `soft`: they only change an
        order, and their masks drive out none that a row needs.
        """
        fits = Fits(self._soft_masks if soft else self._masks, *texts)
        for recommender in recommenders:
            fits.mask(self.view(recommender).columns)
        return fits

    async def make_fit(self, recommender: Recommender, fits: Iterable[Fits]) -> None:
        """Make these for one more bundle, in a thread where that takes any time."""
        missing = [each for each in fits if not each.is_made(recommender.version)]
        if missing:
            columns = self.view(recommender).columns
            await asyncio.to_thread(lambda: [each.mask(columns) for each in missing])

    def view(self, recommender: Recommender) -> ItemView:
        """The view of a bundle as far as it is known; of an unknown bundle one that restricts nothing."""
        return self._views.get(recommender) or ItemView(recommender)

    def prepare(self, recommender: Recommender) -> None:
        """Make the view of a bundle that will soon answer.

        A failure for the first is logged: its first answer tries again. For another it is a `StoreError`: a bundle that
        answers has a view, and what was withdrawn is not in its rows.
        """
        first = not len(self._views)
        try:
            self.catch_up([recommender], self._store.version(Kind.ITEM))
            self.texts(recommender)
        except StoreError as error:
            if not first:
                raise
            _log.error("the catalogue is not known yet: %s", error)

    def catch_up(self, recommenders: Iterable[Recommender], version: int) -> None:
        """Bring the views of these bundles to a version at least. Blocks; raises `StoreError`."""
        for recommender in recommenders:
            view = self._views.get(recommender)
            if view is None or view.version != version:
                with self._loading:
                    self._load(recommender, version)
                self._woken.set()

    def _load(self, recommender: Recommender, version: int) -> None:
        view = self._views.get(recommender)
        # A version that went back is that of a store which was emptied or restored; or only that of a slower question.
        if view is None or (view.version > version and view.version > self._store.version(Kind.ITEM)):
            view = self._made(recommender)
            self._views[recommender] = view
        while view.version < version:
            page = self._store.changes(Kind.ITEM, view.version, _PAGE)
            view.apply(page)
            if len(page) < _PAGE:
                view.version = max(view.version, version)

    def _made(self, recommender: Recommender) -> ItemView:
        view = ItemView(recommender)
        horizon = self._store.horizon(Kind.ITEM, MAX_TITLES)
        while view.version < horizon:
            page = self._store.changes(Kind.ITEM, view.version, _PAGE, restricted=True)
            view.apply(page)
            if len(page) < _PAGE:
                break
        view.version = horizon
        return view

    def _follow(self) -> None:
        while not self._stopped:
            try:
                self._look()
            except StoreError as error:
                _log.error("cannot read what is new in the catalogue: %s", error)
            except Exception:  # a thread that ended would never look again
                _log.exception("cannot follow the catalogue")
            self._woken.wait(LOOK_S)
            self._woken.clear()

    def _look(self) -> None:
        with self._loading:
            recommenders = list(self._views)
        if recommenders:
            self.catch_up(recommenders, self._store.version(Kind.ITEM))
        for recommender in recommenders:
            try:
                self._place(recommender)
            except Exception:  # of this bundle: the others' newcomers are placed all the same
                _log.exception("cannot work out where newcomers stand in bundle %s", recommender.version)

    def _place(self, recommender: Recommender) -> None:
        view = self.view(recommender)
        placing = self._placings.setdefault(view, Placing(view.newcomers))
        placing.go_on(recommender, partial(self.texts, recommender), _PLACES_AT_ONCE)
        if view.newcomers.waiting:
            self._woken.set()
