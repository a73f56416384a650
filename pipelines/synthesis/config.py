"""How large a world is, when it ends, and how strongly its people follow their tastes."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, date, datetime

from models.errors import ConfigError


def today() -> date:
    """The current UTC day: a world made now has no event in the future."""
    return datetime.now(UTC).date()


@dataclass(frozen=True, slots=True)
class WorldConfig:
    """The same config makes byte-identical files. The last event lies before midnight UTC at the start of `end`.

    taste: weight of a user's taste beside popularity, in nats per unit of cosine.
    follow: share of choices that follow on from the user's last item.
    noise: share of choices made blindly, by popularity alone.
    """

    num_users: int = 3_000
    num_items: int = 2_000
    num_events: int = 300_000
    num_days: int = 90
    seed: int = 2026
    end: date = field(default_factory=today)
    taste: float = 8.0
    follow: float = 0.4
    noise: float = 0.1

    def __post_init__(self) -> None:
        for name in ("num_users", "num_items", "num_events", "num_days"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be 1 or more; got {getattr(self, name)}.")
        for name in ("follow", "noise"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} is a share and must lie between 0 and 1; got {getattr(self, name)}.")
        if self.follow + self.noise > 1:
            raise ConfigError(f"follow + noise must not exceed 1; got {self.follow} + {self.noise}.")
