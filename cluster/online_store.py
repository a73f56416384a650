"""The online store and event log behind one protocol: SQLite on one machine, Redis on a cluster.

An append is the acknowledgement: when it returns, the events are durable, de-duplicated by
`interaction_id`, and visible to the very next read of the user's history.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from models.events import Interaction
from models.exposures import Exposure
from models.user_state import HistoryEvent

HISTORY_LIMIT = 200
"""Events kept online for a user, newest by their own time."""


@dataclass(frozen=True, slots=True)
class OnlineUser:
    """What the store holds of one user; events oldest first, at most `HISTORY_LIMIT`."""

    history: tuple[HistoryEvent, ...] = ()
    country: str | None = None


@dataclass(frozen=True, slots=True)
class Logged:
    """One entry of the event log. `offset` grows by one or more from entry to entry, starting above 0."""

    offset: int
    entry: Interaction | Exposure


class OnlineStore(Protocol):
    """Both back ends pass the same suite (`tests/cluster/online_store_suite.py`)."""

    def append(self, events: Sequence[Interaction]) -> list[bool]:
        """Log the events and update histories in one atomic step; False marks a duplicate id."""

    def append_exposures(self, exposures: Sequence[Exposure]) -> None:
        """Log what was shown."""

    def users(self, user_ids: Sequence[str]) -> list[OnlineUser]:
        """State of each user in order, in one fetch; an unknown user is empty."""

    def warm(self, users: Mapping[str, OnlineUser]) -> None:
        """Merge histories and profiles from the lake under what is already there."""

    def read_log(self, after: int, limit: int) -> list[Logged]:
        """Log entries with an offset above `after`, in order."""

    def trim_log(self, through: int) -> None:
        """Drop log entries up to and including `through`."""

    def ping(self) -> None:
        """Raise when the store cannot answer."""

    def close(self) -> None:
        """Release connections."""


def open_store(url: str) -> OnlineStore:
    """The store at `url`: `sqlite:///path` or `redis://…`. Each back end loads only when it is asked for."""
    if url.startswith("sqlite:///"):
        from cluster.sqlite_store import SqliteStore

        return SqliteStore(url.removeprefix("sqlite:///"))
    if url.startswith(("redis://", "rediss://")):
        from cluster.redis_store import RedisStore

        return RedisStore(url)
    from models.errors import ConfigError

    raise ConfigError(
        f"online store {url.split('://')[0]!r} is unknown. Use sqlite:///path or redis://host:port/db."
    )
