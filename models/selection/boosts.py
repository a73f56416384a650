"""Raising and lowering what passes a filter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.errors import InputError


@dataclass(frozen=True, slots=True)
class Boost:
    """The relevance of what passes `filter` becomes `relevance × multiply + add`; relevance goes from 0 to 1."""

    filter: str
    multiply: float = 1.0
    add: float = 0.0

    def __post_init__(self) -> None:
        if not (0 <= self.multiply < np.inf and np.isfinite(self.add)):
            raise InputError(
                f"a boost multiplies by 0 or more and adds a finite number; got {self.multiply} and {self.add}."
            )


def boosted(
    relevance: NDArray[np.float64], boosts: Sequence[Boost], passes: Mapping[str, NDArray[np.bool_]]
) -> NDArray[np.float64]:
    """Relevance after all boosts, one after the other. `passes`: for each filter the entries that pass it."""
    for boost in boosts:
        relevance = np.where(passes[boost.filter], relevance * boost.multiply + boost.add, relevance)
    return relevance


def buried(filters: Sequence[str], passes: Mapping[str, NDArray[np.bool_]]) -> NDArray[np.bool_] | None:
    """The entries that pass one of the filters; None when there are no filters."""
    return np.logical_or.reduce([passes[text] for text in filters]) if filters else None
