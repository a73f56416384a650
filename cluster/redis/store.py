"""The online store on a cluster: Redis 7 or later. Only `cluster/redis/` knows `redis`.

Users lie in partitions (`cluster/online/event_log.py`); every key of partition p starts with `shoal:{p}:`, and ids in
it are at most 128 bytes. The hash tag puts all of a partition's keys in one slot of a Redis Cluster, and each script
touches one partition.

    partitions           their number, in each of them
    id                   the store's random name, in partition 0
    offset, count        the last log offset; how many entries the log ever had
    log                  stream, id `<offset>-<count>`, fields kind and body; trimmed behind its readers
    bound:<16 bytes>     an interaction id (hashed) → the partition its event is of, in a partition of the id's own
    seen:<16 bytes>      a taken interaction id (hashed), for the de-duplication window
    history:<user id>    list of the newest HISTORY_LIMIT positive events
    negatives:<user id>  list of the newest HISTORY_LIMIT negative events
    country:<user id>    the user's country
    attributes:<user id> hash of the user's attributes. Keys of a user live HISTORY_LIFE_S after the last write to them

`cluster/redis/catalogue.py` has the keys of the catalogue, all of them in partition 0; `log.py`, `leases.py` and
`tallies.py` beside it those of the log and its readers, `erasure.py` those of privacy, `vectors.py` those of vectors.
Each append is one Lua script a partition.

Run Redis with `appendonly yes` (an acknowledgement is as durable as its `appendfsync`) and `maxmemory-policy
noeviction` (the log must not be evicted): `weaknesses` says what is lost otherwise.
"""

from __future__ import annotations

import secrets
import struct
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from cluster.online.codec import EVENT_CODES, EVENT_OF_CODE, encode, seen_key
from cluster.online.event_log import partition_of
from cluster.online.privacy_store import anonymous
from cluster.online.profile_state import with_profile
from cluster.online.store import SEEN_WINDOW_S, Fetched, OnlineUser
from cluster.online.trending import Trend
from cluster.online.vectors import StoredVector
from cluster.redis.catalogue import ITEM_VERSION, RedisCatalogue, profile_key
from cluster.redis.connection import connect, log_key, store_errors
from cluster.redis.durability import weaknesses
from cluster.redis.erasure import RedisPrivacy
from cluster.redis.leases import RedisLeases
from cluster.redis.log import RedisLog
from cluster.redis.scripts import APPEND, APPEND_TO_LOG, BIND, USERS, WARM
from cluster.redis.tallies import RedisTallies
from cluster.redis.vectors import RedisVectors
from cluster.settings import NUM_PARTITIONS
from models.events import EventType, Interaction
from models.exposures import Exposure
from models.quarantine import Rejected
from models.user_state import HistoryEvent

_IDENTITY = "shoal:{0}:id"
_ENTRY = struct.Struct(">BBQ")
_MAX_ARGUMENTS = 5_000
"""Of one script call: Redis serves nobody else meanwhile, and these take some 20 ms."""


_Arguments = list[str | bytes | int]


class RedisStore:
    """`OnlineStore` in Redis. `seen_window_s`: the de-duplication window; `num_partitions`: of a store made now."""

    def __init__(self, url: str, seen_window_s: float = SEEN_WINDOW_S, num_partitions: int = NUM_PARTITIONS) -> None:
        self._args = (url, seen_window_s, num_partitions)
        self._window_ms = max(1, round(seen_window_s * 1_000))
        self._redis = connect(url)
        self._bind = self._redis.register_script(BIND)
        self._append = self._redis.register_script(APPEND)
        self._append_to_log = self._redis.register_script(APPEND_TO_LOG)
        self._warm = self._redis.register_script(WARM)
        self._users = self._redis.register_script(USERS)
        self.log = RedisLog(self._redis, num_partitions)
        self.catalogue = RedisCatalogue(self._redis, self._partition)
        self.privacy = RedisPrivacy(self._redis, self.log.num_partitions)
        self.leases = RedisLeases(self._redis, self.log.num_partitions)
        self.tallies = RedisTallies(self._redis, self.log.num_partitions)
        self.vectors = RedisVectors(self._redis, self.log.num_partitions, self.privacy)

    def __reduce__(self) -> tuple[type[RedisStore], tuple[str, float, int]]:
        return RedisStore, self._args

    def append(self, events: Sequence[Interaction]) -> list[bool]:
        """Log, de-duplicate and update histories, one script a partition; False marks a duplicate id."""
        calls: dict[int, _Arguments] = defaultdict(lambda: [self.log.num_partitions(), self._window_ms])
        at: dict[int, list[int]] = defaultdict(list)
        keys = [seen_key(event.interaction_id) for event in events]
        events = anonymous(events, self.privacy.refused_among([event.user_id for event in events]))
        homes = [self._partition(event.user_id) for event in events]
        for i, bound in enumerate(self._bound(keys, homes)):
            event, partition = events[i], homes[i]
            if bound != partition:
                continue
            at[partition].append(i)
            calls[partition] += (
                keys[i],
                event.user_id,
                event.country or "",
                _entry(event.item_id, event.event_type, event.timestamp_us),
                *encode(event),
            )
        taken = [False] * len(events)
        for partition, answer in self._call(self._append, calls).items():
            for i, is_new in zip(at[partition], answer, strict=True):
                taken[i] = bool(is_new)
        return taken

    def append_exposures(self, exposures: Sequence[Exposure]) -> None:
        """Log what was shown."""
        self._append_entries(exposures)

    def append_rejected(self, rejected: Sequence[Rejected]) -> None:
        """Log what was not taken."""
        self._append_entries(rejected)

    def users(self, user_ids: Sequence[str]) -> list[OnlineUser]:
        """State of each user in order."""
        return self.fetch(user_ids).users

    def fetch(self, user_ids: Sequence[str]) -> Fetched:
        """State of each user in order and the version of the items, in one round trip.

        A script joins each history into one string: 200 answers of 20 bytes would cost the client more to
        parse than they cost the server to join.
        """
        parts: dict[int, list[str]] = defaultdict(list)
        for user_id in dict.fromkeys(user_ids):
            parts[self._partition(user_id)].append(user_id)
        found, version, has_tombstones = self._fetched(parts)
        if has_tombstones and self.privacy.meet_tombstones():
            found, version, _ = self._fetched(parts)
        return Fetched([found[user_id] for user_id in user_ids], version)

    def _fetched(self, parts: Mapping[int, Sequence[str]]) -> tuple[dict[str, OnlineUser], int, bool]:
        """Users of partitions, the version of the items, and whether somebody was erased."""
        ordered = [user_id for part in parts.values() for user_id in part]
        with store_errors(), self._redis.pipeline(transaction=False) as pipe:
            pipe.get(ITEM_VERSION)
            for user_id in ordered:
                pipe.hget(profile_key(user_id), "state")
            for partition, part in parts.items():
                args = [len(part), *part, *self.privacy.subjects(part)]
                self._users(keys=[log_key(partition)], args=args, client=pipe)
            version, *answers = pipe.execute()
        joined = [value for _, answer in answers[len(ordered) :] for value in answer]
        states = zip(*(joined[at::5] for at in range(5)), strict=True)
        found = {
            user_id: with_profile(_user(*state), profile)
            for user_id, profile, state in zip(ordered, answers, states, strict=False)
        }
        return found, int(version or 0), any(num for num, _ in answers[len(ordered) :])

    def warm(self, users: Mapping[str, OnlineUser]) -> None:
        """Merge histories and profiles from the lake under what is already there."""
        erased = self.privacy.erased_among(list(users))
        users = {user_id: user for user_id, user in users.items() if user_id not in erased}
        with store_errors(), self._redis.pipeline(transaction=False) as pipe:
            for user_id in users:
                pipe.exists(profile_key(user_id))
            put = pipe.execute()
        parts: dict[int, dict[str, OnlineUser]] = defaultdict(dict)
        for (user_id, user), has_profile in zip(users.items(), put, strict=True):
            parts[self._partition(user_id)][user_id] = OnlineUser(user.history) if has_profile else user
        with store_errors():
            for partition, part in parts.items():
                for args in _warm_calls(part):
                    self._warm(keys=[log_key(partition)], args=args)

    def trending(self, country: str | None, surface: str | None, n: int) -> list[Trend]:
        """The `n` items of the greatest weight, best first."""
        return self.tallies.trending(country, surface, n)

    def item_counts(self, item_ids: Sequence[str]) -> list[dict[str, int]]:
        """Counters of each item in order, by name."""
        return self.tallies.item_counts(item_ids)

    def user_counts(self, user_ids: Sequence[str]) -> list[dict[str, int]]:
        """Counters of each user in order, by name."""
        return self.tallies.user_counts(user_ids)

    def user_vectors(self, user_ids: Sequence[str]) -> list[StoredVector | None]:
        """Of each user in order."""
        return self.vectors.of_users(user_ids)

    def item_vectors(self, item_ids: Sequence[str]) -> list[StoredVector | None]:
        """Of each item in order."""
        return self.vectors.of_items(item_ids)

    def identity(self) -> str:
        """The name that the first who asked gave it."""
        with store_errors():
            self._redis.set(_IDENTITY, secrets.token_hex(8), nx=True)
            return str(self._redis.get(_IDENTITY).decode())

    def weaknesses(self) -> list[str]:
        """What the server's configuration would lose."""
        return weaknesses(self._redis)

    def ping(self) -> None:
        """Raise `StoreError` when the server does not answer."""
        with store_errors():
            self._redis.ping()

    def close(self) -> None:
        """Release connections; the next call opens them again."""
        self._redis.close()

    def _append_entries(self, entries: Sequence[Exposure | Rejected]) -> None:
        calls: dict[int, _Arguments] = defaultdict(lambda: [self.log.num_partitions()])
        for entry in anonymous(entries, self.privacy.refused_among([entry.user_id for entry in entries])):
            calls[self._partition(entry.user_id)] += encode(entry)
        self._call(self._append_to_log, calls)

    def _bound(self, keys: Sequence[bytes], homes: Sequence[int]) -> list[int]:
        """For each id, the partition that its first event within the window is of; `homes`: that of this one."""
        num = self.log.num_partitions()
        if num == 1:
            return list(homes)
        calls: dict[int, _Arguments] = defaultdict(lambda: [self._window_ms])
        at: dict[int, list[int]] = defaultdict(list)
        for i, (name, home) in enumerate(zip(keys, homes, strict=True)):
            place = name[0] % num
            at[place].append(i)
            calls[place] += (name, home)
        bound = list(homes)
        for place, answer in self._call(self._bind, calls).items():
            for i, partition in zip(at[place], answer, strict=True):
                bound[i] = int(partition)
        return bound

    def _partition(self, user_id: str) -> int:
        return partition_of(user_id, self.log.num_partitions())

    def _call(self, script: Any, calls: Mapping[int, Sequence[str | bytes | int]]) -> dict[int, Any]:
        """The answers of a script that is called for several partitions, all in one round trip."""
        if not calls:
            return {}
        with store_errors(), self._redis.pipeline(transaction=False) as pipe:
            for partition, args in calls.items():
                script(keys=[log_key(partition)], args=args, client=pipe)
            return dict(zip(calls, pipe.execute(), strict=True))


def _entry(item_id: str, event_type: EventType, timestamp_us: int) -> bytes:
    item = item_id.encode()
    return _ENTRY.pack(len(item), EVENT_CODES[event_type], timestamp_us) + item


def _entries(joined: bytes) -> Iterator[HistoryEvent]:
    start = 0
    while start < len(joined):
        length, code, timestamp_us = _ENTRY.unpack_from(joined, start)
        end = start + _ENTRY.size + length
        yield HistoryEvent(joined[start + _ENTRY.size : end].decode(), EVENT_OF_CODE[code], timestamp_us)
        start = end


def _history(positive: bytes, negative: bytes) -> tuple[HistoryEvent, ...]:
    events = [*_entries(positive), *_entries(negative)]
    if positive and negative:
        events.sort(key=lambda event: event.timestamp_us)
    return tuple(events)


def _user(
    positive: bytes, negative: bytes, country: bytes | None, pairs: Sequence[bytes], tombstone: bytes | None
) -> OnlineUser:
    return OnlineUser(
        _history(positive, negative),
        country.decode() if country else None,
        _attributes(pairs),
        erased=tombstone is not None,
    )


def _attributes(pairs: Sequence[bytes]) -> dict[str, str]:
    """Names and values in turn, as Redis answers a hash; in order of name."""
    texts = [part.decode() for part in pairs]
    return dict(sorted(zip(texts[::2], texts[1::2], strict=True)))


def _warm_calls(users: Mapping[str, OnlineUser]) -> Iterable[list[str | bytes | int]]:
    """Arguments of as many calls as it takes; entries oldest first, as the script wants them."""
    args: list[str | bytes | int] = []
    for user_id, user in users.items():
        if len(args) + len(user.history) + 2 * len(user.attributes) > _MAX_ARGUMENTS and args:
            yield args
            args = []
        history = sorted(user.history, key=lambda event: event.timestamp_us)
        args += (user_id, user.country or "", 2 * len(user.attributes), len(history))
        args += [part for pair in user.attributes.items() for part in pair]
        args += [_entry(e.item_id, e.event_type, e.timestamp_us) for e in history]
    if args:
        yield args
