"""Where a newcomer stands among the items that a bundle knows: near those that say the same.

The k-nearest-neighbour mapping of Gantner, Drumond, Freudenthaler, Rendle, Schmidt-Thieme, "Learning
Attribute-to-Feature Mappings for Cold-Start Recommendations" (ICDM 2010): the factors of an item without events are the
mean of the factors of the items most like it in their attributes, weighted by that likeness. Here the attributes are
the words of title and categories, and the likeness is BM25. No net is asked for a vector: two towers have a content
side, but learned it beside an id and never without, and what made the vectors of texts is not in a bundle.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from models.item_state import ItemState
from models.recommender import Recommender
from models.text_index import Text, TextIndex
from serve_apps.live.newcomers import MAX_PLACED, Newcomers
from serve_apps.live.placed import Place, Placed

NUM_NEAR = 5
_LOOK, _LOOK_MOST = 32, 2_048
"""Items by words that are looked through for those that the bundle knows; many newcomers may say the same."""


class Placing:
    """The newest `MAX_PLACED` newcomers of one bundle, which it does not hold. One thread at a time."""

    def __init__(self, newcomers: Newcomers) -> None:
        self._newcomers = newcomers
        self._places: dict[int, tuple[Place, str, ItemState]] = {}
        self._departures = 0

    def go_on(self, recommender: Recommender, texts: Callable[[], TextIndex], num: int) -> None:
        """Work out the places of at most `num` that wait for it, the newest first, and take out who has left.

        What shares no word with any known item has no place. `texts` is asked for only when somebody waits.
        """
        waiting, departures = self._newcomers.take_waiting(num), self._newcomers.departures
        if not waiting and departures == self._departures:
            return
        if waiting:
            try:
                self._work_out(recommender, texts(), waiting)
            except Exception:
                self._newcomers.wait_again(waiting)
                raise
        self._departures = departures
        self._newcomers.placed = self._placed().worked_out()

    def _work_out(
        self, recommender: Recommender, index: TextIndex, waiting: Sequence[tuple[int, str, ItemState]]
    ) -> None:
        for row, item_id, state in waiting:
            place = _place(recommender, index, Text(item_id, state.title, state.categories).words)
            self._places.pop(row, None)
            if place is not None:
                self._places[row] = (place, item_id, state)

    def _placed(self) -> Placed:
        here = {row: held for row, held in self._places.items() if self._newcomers.row(held[1]) == row}
        rows = sorted(here)[-MAX_PLACED:]  # rows go up as items come
        self._places = {row: here[row] for row in rows}
        held = [self._places[row] for row in rows]
        documents = [(item_id, state) for _, item_id, state in held]
        return Placed(self._newcomers.first, np.asarray(rows, np.int64), [place for place, _, _ in held], documents)


def _place(recommender: Recommender, texts: TextIndex, words: str) -> Place | None:
    look, row_of = _LOOK, recommender.items.vocabulary.row
    while True:
        found = texts.search(words, look)
        near = [(row, score) for item_id, score in found if (row := row_of(item_id)) is not None][:NUM_NEAR]
        if len(near) == NUM_NEAR or len(found) < look or look >= _LOOK_MOST:
            break
        look *= 8
    if not near:
        return None
    rows = np.asarray([row for row, _ in near], np.int64)
    likeness = np.asarray([score for _, score in near], np.float32)
    weights = likeness / likeness.sum()
    vectors = recommender.item_vectors(rows)
    return Place(rows, weights, None if vectors is None else weights @ vectors)
