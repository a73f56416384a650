"""What a row must not show of what its user has done."""

from __future__ import annotations

from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from models.user_state import UserState


@dataclass(frozen=True, slots=True)
class Exclusion:
    """`seen`: whether what the user has seen stays out; else only what they hid and what they just chose."""

    seen: bool = True

    def of(self, user: UserState) -> AbstractSet[str]:
        """Item ids."""
        return user.seen if self.seen else user.hidden | set(user.positives[-1:])
