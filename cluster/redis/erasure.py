"""`PrivacyStore` in Redis, on the connection of the online store. In partition 0, for all users:

    sealed         hash: subject → a sealed record
    erasures       hash: id → an erasure that is not finished (sealed: it names its users)
    fingerprint    which privacy key the tombstones are of

and in each partition, in the slot of its users:

    refused        sorted set: ids of people whose profile refuses personalization, by the version that says so
    tombstones     sorted set: subject by the offset of the erasure
    log:rewritten  the log on its way to a new key

A stream keeps the bytes of entries that were trimmed or deleted until the whole block of some hundred is gone, and
writes them into its dumps. So `purge` copies the log to another key, and puts it in place of the old one.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from cluster.online.erased_entries import is_erased_body
from cluster.online.event_log import partition_of
from cluster.online.privacy_store import PURGE_TIMEOUT_S, TOMBSTONE_LIFE_S, Hidden, Tombstones, other_key
from cluster.privacy.keys import PrivacyKeys, load_keys
from cluster.redis.catalogue import CATALOGUE
from cluster.redis.connection import key, log_key, servers, store_errors
from cluster.redis.scripts import PREFIX
from models.catalogue_entries import Kind
from models.errors import StoreError

USER_KEYS = ("history", "negatives", "country", "attributes", "counted", "vector")
"""Keys of a user in the partition, `<name>:<user id>`."""

_SEALED, _ERASURES, _FINGERPRINT = key(0, "sealed"), key(0, "erasures"), key(0, "fingerprint")
_COPIED = 1_000
"""Log entries of one step of `purge`: Redis serves others between steps."""

# ARGV: fingerprint, job id, job, then user and subject in turn. Once the job is noted, the rest can be done again.
_BEGIN = f"""
redis.call('SET', '{_FINGERPRINT}', ARGV[1], 'NX')
if redis.call('GET', '{_FINGERPRINT}') ~= ARGV[1] then return false end
redis.call('HSET', '{_ERASURES}', ARGV[2], ARGV[3])
local profiles, sealed = 0, 0
for i = 4, #ARGV, 2 do
  profiles = profiles + redis.call('DEL', '{CATALOGUE}{Kind.USER}:' .. ARGV[i])
  redis.call('ZREM', '{CATALOGUE}changes:{Kind.USER}', ARGV[i])
  redis.call('ZREM', '{CATALOGUE}restricted:{Kind.USER}', ARGV[i])
  sealed = sealed + redis.call('HDEL', '{_SEALED}', ARGV[i + 1])
end
return {{profiles, sealed}}
"""
_BEGUN_NAMES = ("profile", "email")

# ARGV: life of a tombstone in µs, then user and subject in turn.
_HIDE = f"""{PREFIX}
local now = redis.call('TIME')
local offset = math.max(now[1] * 1000000 + now[2], tonumber(redis.call('GET', PREFIX .. 'offset') or '0') + 1)
local text, tombstones = string.format('%.0f', offset), PREFIX .. 'tombstones'
redis.call('SET', PREFIX .. 'offset', text)
redis.call('ZREMRANGEBYSCORE', tombstones, '-inf', string.format('(%.0f', offset - ARGV[1]))
local events, described, countries, refused, counters, vectors = 0, 0, 0, 0, 0, 0
for i = 2, #ARGV, 2 do
  local user = ARGV[i]
  local history, negatives = PREFIX .. 'history:' .. user, PREFIX .. 'negatives:' .. user
  local country, attributes = PREFIX .. 'country:' .. user, PREFIX .. 'attributes:' .. user
  local counted = PREFIX .. 'counted:' .. user
  events = events + redis.call('LLEN', history) + redis.call('LLEN', negatives)
  described = described + redis.call('HLEN', attributes)
  countries = countries + redis.call('EXISTS', country)
  counters = counters + redis.call('EXISTS', counted)
  redis.call('DEL', history, negatives, country, attributes, counted)
  vectors = vectors + redis.call('DEL', PREFIX .. 'vector:' .. user)
  refused = refused + redis.call('ZREM', PREFIX .. 'refused', user)
  redis.call('ZADD', tombstones, text, ARGV[i + 1])
end
return {{text, events, described, countries, refused, counters, vectors}}
"""
_HIDDEN_NAMES = ("history", "attributes", "country", "consent", "counters", "vector")

# ARGV: id of the last entry that was copied. What came since follows; what was trimmed since is trimmed.
_SWAP = """
for _, entry in ipairs(redis.call('XRANGE', KEYS[1], '(' .. ARGV[1], '+')) do
  redis.call('XADD', KEYS[2], entry[1], unpack(entry[2]))
end
local first = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', 1)[1]
if not first then
  redis.call('DEL', KEYS[1], KEYS[2])
  return
end
redis.call('XTRIM', KEYS[2], 'MINID', first[1])
if redis.call('EXISTS', KEYS[2]) == 1 then redis.call('RENAME', KEYS[2], KEYS[1]) else redis.call('DEL', KEYS[1]) end
"""


class RedisPrivacy:
    """Over the client of an online store."""

    def __init__(
        self, client: Any, num_partitions: Callable[[], int], keys: Callable[[], PrivacyKeys] = load_keys
    ) -> None:
        self._redis, self._num_partitions, self._load_keys = client, num_partitions, keys
        self._begin = client.register_script(_BEGIN)
        self._hide = client.register_script(_HIDE)
        self._swap = client.register_script(_SWAP)
        self._meets_tombstones = False

    @cached_property
    def _keys(self) -> PrivacyKeys:
        return self._load_keys()

    def hide(self, user_ids: Sequence[str], job_id: str, job: bytes) -> Hidden:
        """One script for what is in partition 0, then one a partition."""
        pairs = {user_id: (user_id, self._keys.subject(user_id)) for user_id in user_ids}
        flat = [part for pair in pairs.values() for part in pair]
        through: dict[str, int] = {}
        with store_errors():
            begun = self._begin(keys=[_FINGERPRINT], args=[self._keys.subject(""), job_id, job, *flat])
            if begun is None:
                raise other_key()
            entries = dict.fromkeys(_HIDDEN_NAMES, 0) | dict(zip(_BEGUN_NAMES, begun, strict=True))
            for partition, part in self._by_partition(user_ids).items():
                args = [piece for user_id in part for piece in pairs[user_id]]
                answer = self._hide(keys=[log_key(partition)], args=[TOMBSTONE_LIFE_S * 1_000_000, *args])
                offset, *counts = map(int, answer)
                through |= dict.fromkeys(part, offset)
                for name, count in zip(_HIDDEN_NAMES, counts, strict=True):
                    entries[name] += count
        return Hidden(through, entries)

    def tombstones(self, partition: int, since: int) -> Tombstones:
        """By score."""
        name = key(partition, "tombstones")
        with store_errors():
            # First: one that comes between is then newer than we say.
            newest = self._redis.zrange(name, -1, -1, withscores=True)
            found = self._redis.zrangebyscore(name, since, "+inf", withscores=True)
        return Tombstones({subject: int(score) for subject, score in found}, int(newest[0][1]) if newest else 0)

    def purge(self, through: Mapping[str, int]) -> int:
        """Each log to a new key without those entries; then new files, where the server keeps any."""
        with store_errors():
            num_removed = sum(self._purge_log(partition, through) for partition in range(self._num_partitions()))
            for server in servers(self._redis):
                _begin_new_files(server)
            deadline = time.monotonic() + PURGE_TIMEOUT_S
            for server in servers(self._redis):
                _await_new_files(server, deadline)
        return num_removed

    def jobs(self) -> dict[str, bytes]:
        """Ids of erasures sort by time."""
        with store_errors():
            return {id_.decode(): body for id_, body in sorted(self._redis.hgetall(_ERASURES).items())}

    def note_job(self, job_id: str, job: bytes) -> None:
        """Keep how far an erasure is."""
        with store_errors():
            self._redis.hset(_ERASURES, job_id, job)

    def end_job(self, job_id: str) -> None:
        """The erasure is finished."""
        with store_errors():
            self._redis.hdel(_ERASURES, job_id)

    def sealed(self, subjects: Sequence[bytes]) -> list[bytes | None]:
        """Sealed records in order."""
        with store_errors():
            return list(self._redis.hmget(_SEALED, list(subjects))) if subjects else []

    def keep_sealed(self, records: Mapping[bytes, bytes]) -> None:
        """Keep sealed records by subject."""
        if not records:
            return
        with store_errors():
            self._redis.set(_FINGERPRINT, self._keys.subject(""), nx=True)
            self._check()
            self._redis.hset(_SEALED, mapping=dict(records))

    def refused_among(self, user_ids: Sequence[str]) -> set[str]:
        """Those who refused personalization, in one round trip."""
        return self._scored_among("refused", user_ids, lambda user_id: user_id)

    def erased_among(self, user_ids: Sequence[str]) -> set[str]:
        """Those who have a tombstone."""
        with store_errors(), self._redis.pipeline(transaction=False) as pipe:
            for partition in range(self._num_partitions()):
                pipe.zcard(key(partition, "tombstones"))
            if not user_ids or not any(pipe.execute()):
                return set()
            self.meet_tombstones()
        return self._scored_among("tombstones", user_ids, self._keys.subject)

    def meet_tombstones(self) -> bool:
        """From now on `subjects` has them; False when it had them before."""
        if self._meets_tombstones:
            return False
        self._check()
        self._meets_tombstones = True
        return True

    def subjects(self, user_ids: Sequence[str]) -> list[bytes]:
        """Subjects of users, once this process has met tombstones; nothing before, for then nobody needs the key."""
        return [self._keys.subject(user_id) for user_id in user_ids] if self._meets_tombstones else []

    def _scored_among(self, name: str, user_ids: Sequence[str], member: Callable[[str], str | bytes]) -> set[str]:
        """Those who are in the sorted set of their partition."""
        parts = self._by_partition(user_ids)
        with store_errors(), self._redis.pipeline(transaction=False) as pipe:
            for partition, part in parts.items():
                pipe.zmscore(key(partition, name), [member(user_id) for user_id in part])
            scores = [score for answer in pipe.execute() for score in answer] if parts else []
        ordered = [user_id for part in parts.values() for user_id in part]
        return {user_id for user_id, score in zip(ordered, scores, strict=True) if score is not None}

    def _by_partition(self, user_ids: Sequence[str]) -> dict[int, list[str]]:
        num_partitions, parts = self._num_partitions(), defaultdict(list)
        for user_id in dict.fromkeys(user_ids):
            parts[partition_of(user_id, num_partitions)].append(user_id)
        return dict(parts)

    def _check(self) -> None:
        with store_errors():
            there = self._redis.get(_FINGERPRINT)
        if there != self._keys.subject(""):
            raise other_key()

    def _purge_log(self, partition: int, through: Mapping[str, int]) -> int:
        log = log_key(partition)
        rewritten = f"{log}:rewritten"
        self._redis.delete(rewritten)
        num_removed, last = 0, b"0-0"
        for entries in self._log(log):
            kept = [(id_, fields) for id_, fields in entries if not _is_erased(id_, fields, through)]
            num_removed += len(entries) - len(kept)
            last = entries[-1][0]
            with self._redis.pipeline(transaction=False) as pipe:
                for id_, fields in kept:
                    pipe.xadd(rewritten, fields, id=id_)
                pipe.execute()
        self._swap(keys=[log, rewritten], args=[last])
        return num_removed

    def _log(self, log: str) -> Iterator[list[tuple[bytes, dict[bytes, bytes]]]]:
        after = "-"
        while entries := self._redis.xrange(log, min=after, count=_COPIED):
            yield entries
            after = f"({entries[-1][0].decode()}"


def _begin_new_files(server: Any) -> None:
    """Old append-only files and dumps hold what was deleted until they are written anew."""
    info = server.info("persistence")
    if info["aof_enabled"]:
        server.bgrewriteaof()
    elif info["rdb_saves"] or info["rdb_last_load_keys_loaded"]:
        server.bgsave(schedule=True)


def _await_new_files(server: Any, deadline: float) -> None:
    while time.monotonic() < deadline:
        info = server.info("persistence")
        busy = ("aof_rewrite_in_progress", "aof_rewrite_scheduled", "rdb_bgsave_in_progress")
        if not any(info[name] for name in busy):
            return
        time.sleep(0.05)
    raise StoreError(
        f"Redis has not written its files anew within {PURGE_TIMEOUT_S:.0f} s, so they may still hold what was "
        "erased. See INFO persistence, and run the erasure again."
    )


def _is_erased(id_: bytes, fields: Mapping[bytes, bytes], through: Mapping[str, int]) -> bool:
    return is_erased_body(int(id_.partition(b"-")[0]), int(fields[b"kind"]), fields[b"body"], through)
