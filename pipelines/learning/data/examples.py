"""Training examples: a user as of just before an event, and the item of the event."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from models.features import UserBatch, no_profiles

Block = Mapping[str, NDArray[np.generic]]
Order = Literal["time", "given", "none"]
Expansion = tuple[Callable[..., Any], dict[str, Any]]
"""A Ray Data task on blocks of encoded sequences, and its keyword arguments."""
_COLUMNS = ("user", "country", "history", "now_us", "profile", "item")


@dataclass(frozen=True, slots=True)
class Examples:
    """Users as of just before the event, and the item row of the event. All arrays are [num_examples, …].

    `extra`: other columns by name, which go with the examples wherever they go.
    """

    users: UserBatch
    items: NDArray[np.int64]
    extra: Mapping[str, NDArray[Any]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.items)

    def take(self, index: NDArray[np.int64] | slice) -> Examples:
        """The examples at `index`, in that order."""
        return Examples(
            self.users.take(index), self.items[index], {name: values[index] for name, values in self.extra.items()}
        )


def examples_of(columns: Block) -> Examples:
    """Typed view of the columns that an expansion made; users without a `profile` column have none."""
    users = UserBatch(
        user=np.asarray(columns["user"], np.int64),
        country=np.asarray(columns["country"], np.int64),
        history=np.asarray(columns["history"], np.int32),
        now_us=np.asarray(columns["now_us"], np.int64),
        profile=np.asarray(columns.get("profile", no_profiles(len(columns["user"]))), np.int32),
    )
    extra = {name: np.asarray(values) for name, values in columns.items() if name not in _COLUMNS}
    return Examples(users, np.asarray(columns["item"], np.int64), extra)


def columns_of(examples: Examples) -> dict[str, NDArray[Any]]:
    """What `examples_of` makes examples of."""
    users = examples.users
    return {
        "user": users.user,
        "country": users.country,
        "history": users.history,
        "now_us": users.now_us,
        "profile": users.profile,
        "item": examples.items,
        **examples.extra,
    }


def concatenate(parts: list[Examples]) -> Examples:
    """All examples end to end."""
    if len(parts) == 1:
        return parts[0]
    users = [part.users for part in parts]
    joined = UserBatch(
        np.concatenate([u.user for u in users]),
        np.concatenate([u.country for u in users]),
        np.concatenate([u.history for u in users]),
        np.concatenate([u.now_us for u in users]),
        np.concatenate([u.profile for u in users]),
    )
    extra = {name: np.concatenate([part.extra[name] for part in parts]) for name in parts[0].extra}
    return Examples(joined, np.concatenate([part.items for part in parts]), extra)
