"""A page of titled rows, on which no item stands twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from models.candidates import Candidates
from models.errors import InputError
from models.vocabulary import Rows


@dataclass(frozen=True, slots=True)
class TitledRow:
    """A title, such as "Trending in Norway", and what stands under it, best first."""

    title: str
    candidates: Candidates


def fill_page(
    rows: Sequence[TitledRow], length: int, *, min_length: int = 1, max_rows: int | None = None
) -> list[TitledRow]:
    """Rows of at most `length` items, from the top of the page, each of the best that no row above shows.

    A row that would be shorter than `min_length` is dropped, and the items it had go to those below. At most
    `max_rows` rows.
    """
    if not 1 <= min_length <= length:
        raise InputError(f"rows have 1 to {length} items; got a least length of {min_length}.")
    page: list[TitledRow] = []
    used: set[int] = set()
    for row in rows:
        if len(page) == max_rows:
            break
        places = _unused(row.candidates.item_rows, used, length)
        if len(places) >= min_length:
            kept = Candidates(row.candidates.item_rows[places], row.candidates.scores[places])
            used.update(kept.item_rows.tolist())
            page.append(TitledRow(row.title, kept))
    return page


def _unused(item_rows: Rows, used: set[int], length: int) -> list[int]:
    """Places of the first `length` items that are not used, each item once."""
    places: dict[int, int] = {}
    for place, item in enumerate(item_rows.tolist()):
        if len(places) == length:
            break
        if item not in used:
            places.setdefault(item, place)
    return list(places.values())
