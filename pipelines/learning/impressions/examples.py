"""Ranker examples from encoded impressions, expanded on the fly: the user as of just before each exposure.

Like `example_pool.py`, no table of examples × history exists anywhere.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from pipelines.learning.data.example_pool import a_few_users_at_a_time
from pipelines.learning.data.examples import Block
from pipelines.learning.data.split import TRAIN
from pipelines.learning.impressions.impressions import TARGETS

_DTYPES = {
    "user": np.int64,
    "country": np.int64,
    "history": np.int32,
    "now_us": np.int64,
    "context": np.int32,
    "item": np.int64,
    "position": np.int64,
    "targets": np.float32,
}


def expand_impressions(block: Block, history_length: int, part: int = TRAIN) -> dict[str, NDArray[Any]]:
    """Impressions of one part, user by user in the order they were shown.

    `user, country, history, now_us, item` as in `example_pool.expand`, the history being the events strictly before the
    exposure; `position` (0 is the top), `targets` [num, num_heads] (NaN: no label) and, when there are fields,
    `context` [num, num_fields]. A block without users has no columns.
    """
    if not len(block["user_row"]):
        return {}
    made: dict[str, list[NDArray[Any]]] = {name: [] for name in _DTYPES}
    for row in range(len(block["user_row"])):
        wanted = np.flatnonzero(block["labels"][row] == part)
        exposure = block["exposure"][row][wanted]
        shown_us, contexts = block["shown_us"][row], block["context_rows"][row]
        before = np.searchsorted(block["history_us"][row], shown_us, side="left")
        padded = np.concatenate([np.full(history_length, -1, np.int32), block["history_rows"][row].astype(np.int32)])
        made["history"].append(sliding_window_view(padded, history_length)[before[exposure]])
        made["now_us"].append(shown_us[exposure])
        made["country"].append(block["country_rows"][row][exposure])
        made["context"].append(contexts.reshape(len(shown_us), -1 if len(contexts) else 0)[exposure])
        made["item"].append(block["item_rows"][row][wanted])
        made["position"].append(block["positions"][row][wanted])
        made["targets"].append(block["targets"][row].reshape(-1, len(TARGETS))[wanted])
        made["user"].append(np.full(len(wanted), block["user_row"][row]))
    columns = {name: np.concatenate(parts).astype(_DTYPES[name]) for name, parts in made.items()}
    if not columns["context"].shape[1]:  # Arrow has no column of width 0
        del columns["context"]
    return columns


def expanded_impressions(block: Block, history_length: int, part: int = TRAIN) -> Iterator[dict[str, NDArray[Any]]]:
    """Examples of one part of a block as a Ray Data task."""
    yield from a_few_users_at_a_time(block, lambda users: expand_impressions(users, history_length, part))
