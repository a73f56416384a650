"""At most so many items of one category, in the whole row or in every stretch of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Cap:
    """`window`: positions in a row that are looked at together; None: the whole row. `categories`: the names it is for;
    None: each. `soft`: where nothing else is left it gives way, instead of ending the row.
    """

    at_most: int
    window: int | None = None
    categories: frozenset[str] | None = None
    soft: bool = False

    def __post_init__(self) -> None:
        if self.at_most < 0 or (self.window is not None and self.window < 1):
            raise ConfigError(
                f"a cap is 0 or more in a window of 1 or more; got {self.at_most} in {self.window}. Leave the window "
                "out for the whole row."
            )


class CapState:
    """Which candidates the caps let into a position, as a row fills up. What was placed by hand counts, wherever."""

    def __init__(
        self, caps: Sequence[Cap], categories: Sequence[Sequence[str]], limit: int, placed: Mapping[int, int]
    ) -> None:
        """`placed`: the entry at each position that is taken already; `categories`: names of each entry."""
        names = {name: None for held in categories for name in held}
        code = {name: at for at, name in enumerate(names)}
        self._has = np.zeros((len(names), len(categories)), np.bool_)
        codes = [code[name] for held in categories for name in held]
        self._has[codes, np.repeat(np.arange(len(categories)), [len(held) for held in categories])] = True
        self._shown = np.zeros((len(names), limit), np.int32)
        self._caps = [(cap, _covered(cap, names)) for cap in caps]
        for position, entry in placed.items():
            self.add(entry, position)

    def add(self, entry: int, position: int) -> None:
        """The entry stands at the position."""
        self._shown[:, position] = self._has[:, entry]

    def allowed(self, position: int, *, soft: bool) -> NDArray[np.bool_]:
        """The entries that break no cap at the position, [num]; `soft` False leaves the soft caps out of it."""
        full = np.zeros(len(self._has), np.bool_)
        for cap, covered in self._caps:
            if soft or not cap.soft:
                full |= (self._most(cap.window, position) >= cap.at_most) & covered
        return np.asarray(~self._has[full].any(axis=0), np.bool_)

    @property
    def has_soft(self) -> bool:
        """Whether a cap would give way."""
        return any(cap.soft for cap, _ in self._caps)

    def _most(self, window: int | None, position: int) -> NDArray[np.int64]:
        """Of each category, how many stand in the fullest window that holds the position."""
        limit = self._shown.shape[1]
        if window is None or window >= limit:
            return np.asarray(self._shown.sum(axis=1), np.int64)
        first = max(0, position - window + 1)
        before = np.zeros((len(self._shown), min(position + window, limit) - first + 1), np.int64)
        np.cumsum(self._shown[:, first : position + window], axis=1, out=before[:, 1:])
        starts = np.arange(position - first + 1)
        ends = np.minimum(starts + window, before.shape[1] - 1)
        return np.asarray((before[:, ends] - before[:, starts]).max(axis=1), np.int64)


def _covered(cap: Cap, names: Mapping[str, None]) -> NDArray[np.bool_]:
    return np.asarray([cap.categories is None or name in cap.categories for name in names], np.bool_)
