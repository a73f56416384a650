"""The online store and event log behind one protocol: SQLite on one machine, Redis on a cluster.

An append is the acknowledgement: when it returns, the events are durable, de-duplicated by
`interaction_id`, and visible to the very next read of the user's history.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from cluster.online.catalogue_store import CatalogueStore
from cluster.online.event_log import EventLog
from cluster.online.leases import Leases
from cluster.online.privacy_store import PrivacyStore
from cluster.online.trending import Tallies, Trend
from cluster.online.vectors import StoredVector, VectorStore
from cluster.settings import Settings
from models.errors import ConfigError
from models.events import Interaction
from models.exposures import Exposure
from models.quarantine import Rejected
from models.user_state import HistoryEvent

HISTORY_LIMIT = 200
"""Events kept online for a user, newest by their own time: so many positive ones and so many negative ones.

Negatives have their own bound because a hidden item must not come back after 200 clicks on others.
"""

SEEN_WINDOW_S = 7 * 86_400
"""How long an `interaction_id` is remembered after it was taken; within it the same id is a duplicate."""


@dataclass(frozen=True, slots=True)
class OnlineUser:
    """What the store holds of one user; events oldest first, at most `HISTORY_LIMIT` of each sign.

    Events of one microsecond come in a fixed order that is not that of their arrival. `attributes`: see
    `models/profiles.py`; they are personal data and not in the text of a user. `personalization`: the user's consent,
    None when it was never asked; False: nothing but the country is read or kept. `erased`: nothing that was learned of
    the id before may be used.
    """

    history: tuple[HistoryEvent, ...] = ()
    country: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)
    personalization: bool | None = None
    erased: bool = False


@dataclass(frozen=True, slots=True)
class Fetched:
    """Users, and the version of the catalogue's items at the same moment."""

    users: list[OnlineUser]
    items_version: int


class OnlineStore(Protocol):
    """Both back ends pass the same suite (`tests/cluster/online/store_suite.py`).

    Every method raises `StoreError` when the store cannot answer. An append that raised may still have been
    taken: send it again under the same ids. Safe to share between threads and to pickle.
    """

    @property
    def catalogue(self) -> CatalogueStore:
        """Items and users as they were put, on the same connections."""

    @property
    def privacy(self) -> PrivacyStore:
        """Erasure and sealed texts, on the same connections."""

    def append(self, events: Sequence[Interaction]) -> list[bool]:
        """Log the events and update histories; False marks a duplicate id.

        All events of a partition (`cluster/online/event_log.py`) are taken in one atomic step. An event's country
        becomes the user's where none is known. Events of people who refuse personalization are logged without their
        id and update nothing.
        """

    def append_exposures(self, exposures: Sequence[Exposure]) -> None:
        """Log what was shown."""

    def append_rejected(self, rejected: Sequence[Rejected]) -> None:
        """Log what was not taken, so that the lake's quarantine keeps it with the reason."""

    def users(self, user_ids: Sequence[str]) -> list[OnlineUser]:
        """State of each user in order, in one fetch; an unknown user is empty. A profile that was put stands above."""

    def fetch(self, user_ids: Sequence[str]) -> Fetched:
        """`users`, and whether the catalogue has moved on, in the same fetch."""

    def warm(self, users: Mapping[str, OnlineUser]) -> None:
        """Merge histories and profiles from the lake under what is already there; again is a no-op.

        A country and an attribute that are there stay; what is new is added. Of a user whose profile was put, or
        deleted, only the history is taken; of people who refuse personalization, and of users who were erased (the lake
        may still hold them), nothing.
        """

    @property
    def log(self) -> EventLog:
        """What was appended, in partitions, until it is moved on."""

    @property
    def leases(self) -> Leases:
        """Who moves which partition on."""

    @property
    def tallies(self) -> Tallies:
        """Where what is trending and the counters are added up."""

    def trending(self, country: str | None, surface: str | None, n: int) -> list[Trend]:
        """The `n` items of the greatest decayed number of positive events, best first; None is everywhere."""

    def item_counts(self, item_ids: Sequence[str]) -> list[dict[str, int]]:
        """Events of each item in order, by type and `shown`; those at 0 are left out."""

    def user_counts(self, user_ids: Sequence[str]) -> list[dict[str, int]]:
        """Events of each user in order, by type and `shown`; those at 0 are left out."""

    @property
    def vectors(self) -> VectorStore:
        """Where vectors of users and items are kept."""

    def user_vectors(self, user_ids: Sequence[str]) -> list[StoredVector | None]:
        """The newest vector of each user in order; None where there is none."""

    def item_vectors(self, item_ids: Sequence[str]) -> list[StoredVector | None]:
        """The newest vector of each item in order; None where there is none."""

    def identity(self) -> str:
        """A random name the store was given when it was made: offsets of two stores mean nothing to one another."""

    def weaknesses(self) -> list[str]:
        """What an acknowledgement of this store does not survive, and what to do; empty when there is nothing."""

    def ping(self) -> None:
        """Raise `StoreError` when the store cannot answer."""

    def close(self) -> None:
        """Release connections; the next call opens them again."""


def open_store(url: str) -> OnlineStore:
    """The store at `url`: `sqlite:///path`, `redis://…`, `redis-cluster://…`. Each back end loads when it is asked for.

    One that is not there yet gets the number of partitions of the settings.
    """
    num_partitions = Settings().partitions
    if url.startswith("sqlite:///"):
        from cluster.sqlite.store import SqliteStore

        return SqliteStore(url.removeprefix("sqlite:///"), num_partitions=num_partitions)
    if url.startswith(("redis://", "rediss://", "redis-cluster://", "rediss-cluster://")):
        from cluster.redis.store import RedisStore

        try:
            return RedisStore(url, num_partitions=num_partitions)
        except ValueError:  # its text may hold a part of the password
            raise ConfigError(
                "the address of the online store is no Redis address. Use redis://:password@host:port/db, or "
                "redis-cluster://:password@host:port, with / : @ and # of the password percent-encoded."
            ) from None
    # What is before the colon at most: the rest may hold a password.
    scheme = url.partition("://")[0] if "://" in url else "without ://"
    raise ConfigError(
        f"online store address {scheme!r} is unknown. Use sqlite:///path, redis://host:port/db or redis-cluster://host:port."
    )
