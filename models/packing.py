"""Packing: short sequences laid end to end in rows, so that no step computes over padding."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

_OPEN_ROWS = 64


class Packed(NamedTuple):
    """`places`: [num_items], flat place of each item, windows in their order; `segments`, `positions`: [rows, length].

    `segments` is the number of the window, -1 where a row is not filled; `positions` count from a window's start.
    """

    places: NDArray[np.int64]
    segments: NDArray[np.int64]
    positions: NDArray[np.int64]


def pack(lengths: Sequence[int] | NDArray[np.int64]) -> Packed:
    """First fit over the longest first (Johnson, 1973): rows as long as the longest window.

    With many short windows the waste is a few per cent; each window lies whole in one row.
    """
    lengths = np.asarray(lengths, np.int64)
    width = int(lengths.max(initial=1))
    starts = np.zeros(len(lengths), np.int64)
    room: list[int] = []
    full = 0  # rows before this one are as good as full
    for window in np.argsort(-lengths, kind="stable"):
        length = int(lengths[window])
        row = next((r for r in range(full, len(room)) if room[r] >= length), len(room))
        if row == len(room):
            room.append(width)
            full = max(full, len(room) - _OPEN_ROWS)
        starts[window] = row * width + (width - room[row])
        room[row] -= length
    within = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    places = np.repeat(starts, lengths) + within
    segments = np.full(max(len(room), 1) * width, -1, np.int64)
    positions = np.zeros_like(segments)
    segments[places] = np.repeat(np.arange(len(lengths)), lengths)
    positions[places] = within
    return Packed(places, segments.reshape(-1, width), positions.reshape(-1, width))
