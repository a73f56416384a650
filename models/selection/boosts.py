"""Raising and lowering what passes a filter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.errors import InputError

MAX_MULTIPLY, MAX_ADD = 1_000.0, 1_000.0
_FURTHEST = 1e6
"""From 0 to where boosts may take relevance, up or down: sums and differences of it stay numbers."""


@dataclass(frozen=True, slots=True)
class Boost:
    """The relevance of what passes `filter` becomes `relevance × multiply + add`; relevance goes from 0 to 1.

    `InputError` unless `multiply` is 0 to 1,000 and `add` -1,000 to 1,000.
    """

    filter: str
    multiply: float = 1.0
    add: float = 0.0

    def __post_init__(self) -> None:
        if not (0 <= self.multiply <= MAX_MULTIPLY and -MAX_ADD <= self.add <= MAX_ADD):
            raise InputError(
                f"a boost multiplies by 0 to {MAX_MULTIPLY:g} and adds -{MAX_ADD:g} to {MAX_ADD:g}; got "
                f"{self.multiply} and {self.add}. Relevance goes from 0 to 1."
            )


def boosted(
    relevance: NDArray[np.float64], boosts: Sequence[Boost], passes: Mapping[str, NDArray[np.bool_]]
) -> NDArray[np.float64]:
    """Relevance after all boosts, one after the other, always finite. `passes`: for each filter what passes it."""
    relevance = np.clip(relevance, -_FURTHEST, _FURTHEST)
    for boost in boosts:
        moved = np.clip(relevance * boost.multiply + boost.add, -_FURTHEST, _FURTHEST)
        relevance = np.where(passes[boost.filter], moved, relevance)
    return relevance


def buried(filters: Sequence[str], passes: Mapping[str, NDArray[np.bool_]]) -> NDArray[np.bool_] | None:
    """The entries that pass one of the filters; None when there are no filters."""
    return np.logical_or.reduce([passes[text] for text in filters]) if filters else None
