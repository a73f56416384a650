"""The online store on a cluster: Redis 7 or later.

Every key starts with `shoal:{0}:`; ids in it are at most 128 bytes.

    id                   the store's random name
    offset               the last log offset
    log                  stream, id `<offset>-0`, fields kind and body; trimmed behind the sink
    seen:<16 bytes>      a taken interaction id (hashed), for the de-duplication window
    history:<user id>    list of the newest HISTORY_LIMIT positive events
    negatives:<user id>  list of the newest HISTORY_LIMIT negative events
    country:<user id>    the user's country
    attributes:<user id> hash of the user's attributes. Keys of a user live HISTORY_LIFE_S after the last write to them
    refused, …           see `cluster/redis_erasure.py`

Each append is one Lua script. All keys carry the hash tag `{0}`, so the store also runs on Redis Cluster, in
one slot; spreading it means a tag for each partition of users, with a log each. Run Redis with
`appendonly yes` (an acknowledgement is as durable as its `appendfsync`) and `maxmemory-policy noeviction`
(the log must not be evicted).
"""

from __future__ import annotations

import secrets
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import redis

from cluster.online_store import SEEN_WINDOW_S, Logged, OnlineUser
from cluster.privacy_store import anonymous
from cluster.redis_erasure import RedisPrivacy
from cluster.redis_errors import store_errors as _store_errors
from cluster.redis_scripts import APPEND, APPEND_EXPOSURES, IDENTITY, LOG, USERS, WARM
from cluster.store_codec import EVENT_CODES, EVENT_OF_CODE, decode, encode, seen_key
from models.events import EventType, Interaction
from models.exposures import Exposure
from models.user_state import HistoryEvent

_TIMEOUT_S = 5.0
_ENTRY = struct.Struct(">BBQ")
_MAX_ARGUMENTS = 5_000
"""Of one script call: Redis serves nobody else meanwhile, and these take some 20 ms."""


class RedisStore:
    """`OnlineStore` in Redis. `seen_window_s`: the de-duplication window."""

    def __init__(self, url: str, seen_window_s: float = SEEN_WINDOW_S) -> None:
        self._args = (url, seen_window_s)
        self._window_ms = max(1, round(seen_window_s * 1_000))
        self._redis: Any = redis.Redis.from_url(url, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S)
        self._append = self._redis.register_script(APPEND)
        self._append_exposures = self._redis.register_script(APPEND_EXPOSURES)
        self._warm = self._redis.register_script(WARM)
        self._users = self._redis.register_script(USERS)
        self.privacy = RedisPrivacy(self._redis)

    def __reduce__(self) -> tuple[type[RedisStore], tuple[str, float]]:
        return RedisStore, self._args

    def append(self, events: Sequence[Interaction]) -> list[bool]:
        """Log, de-duplicate and update histories in one script; False marks a duplicate id."""
        if not events:
            return []
        args: list[str | bytes | int] = [self._window_ms]
        keys = [seen_key(event.interaction_id) for event in events]
        events = anonymous(events, self.privacy.refused_among([event.user_id for event in events]))
        for key, event in zip(keys, events, strict=True):
            entry = _entry(event.item_id, event.event_type, event.timestamp_us)
            args += (
                key,
                event.user_id,
                event.country or "",
                entry,
                *encode(event),
            )
        with _store_errors():
            return [bool(taken) for taken in self._append(keys=[LOG], args=args)]

    def append_exposures(self, exposures: Sequence[Exposure]) -> None:
        """Log what was shown."""
        if not exposures:
            return
        exposures = anonymous(exposures, self.privacy.refused_among([e.user_id for e in exposures]))
        with _store_errors():
            self._append_exposures(keys=[LOG], args=[part for e in exposures for part in encode(e)])

    def users(self, user_ids: Sequence[str]) -> list[OnlineUser]:
        """State of each user in order, in one round trip.

        A script joins each history into one string: 200 answers of 20 bytes would cost the client more to
        parse than they cost the server to join.
        """
        if not user_ids:
            return []
        with _store_errors():
            subjects = self.privacy.subjects(user_ids)
            num_tombstones, answer = self._users(keys=[LOG], args=[len(user_ids), *user_ids, *subjects])
            if num_tombstones and not subjects:  # the first time that this process meets some
                subjects = self.privacy.subjects(user_ids, wanted=True)
                _, answer = self._users(keys=[LOG], args=[len(user_ids), *user_ids, *subjects])
        parts = zip(*(answer[at::6] for at in range(6)), strict=True)
        return [
            OnlineUser(
                _history(positive, negative),
                country.decode() if country else None,
                _attributes(pairs),
                personalization=False if refused else None,
                erased=bool(erased),
            )
            for positive, negative, country, pairs, refused, erased in parts
        ]

    def warm(self, users: Mapping[str, OnlineUser]) -> None:
        """Merge histories and profiles from the lake under what is already there."""
        erased = self.privacy.erased_among(list(users))
        with _store_errors():
            for args in _warm_calls({user_id: user for user_id, user in users.items() if user_id not in erased}):
                self._warm(keys=[LOG], args=args)

    def read_log(self, after: int, limit: int) -> list[Logged]:
        """Log entries with an offset above `after`, in order."""
        with _store_errors():
            entries = self._redis.xrange(LOG, min=f"({max(after, 0)}-0", count=limit)
        return [
            Logged(int(entry_id.partition(b"-")[0]), decode(int(fields[b"kind"]), fields[b"body"]))
            for entry_id, fields in entries
        ]

    def trim_log(self, through: int) -> None:
        """Drop log entries up to and including `through`."""
        with _store_errors():
            self._redis.xtrim(LOG, minid=f"{through + 1}-0", approximate=False)

    def identity(self) -> str:
        """The name that the first who asked gave it."""
        with _store_errors():
            self._redis.set(IDENTITY, secrets.token_hex(8), nx=True)
            return str(self._redis.get(IDENTITY).decode())

    def ping(self) -> None:
        """Raise `StoreError` when the server does not answer."""
        with _store_errors():
            self._redis.ping()

    def close(self) -> None:
        """Release connections; the next call opens them again."""
        self._redis.close()


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
