"""Catalogue coverage: which share of the catalogue was recommended to anybody?"""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def catalogue_coverage(lists: Iterable[Sequence[str]], num_items: int, k: int) -> float:
    """Distinct items among the first `k` of all lists over `num_items`; 0.0 for an empty catalogue."""
    if num_items == 0:
        return 0.0
    return len({item_id for items in lists for item_id in items[:k]}) / num_items
