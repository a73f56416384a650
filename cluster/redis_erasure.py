"""`PrivacyStore` in Redis, on the connection of the online store. Every key starts with `shoal:{0}:`.

    refused        set: ids of people who refused personalization
    tombstones     sorted set: subject by the offset of the erasure
    sealed         hash: subject → a sealed record
    erasures       hash: id → an erasure that is not finished (sealed: it names its users)
    fingerprint    which privacy key the tombstones are of
    log:rewritten  the log on its way to a new key

A stream keeps the bytes of entries that were trimmed or deleted until the whole block of some hundred is gone, and
writes them into its dumps. So `purge` copies the log to another key, and puts it in place of the old one.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

from cluster.privacy_keys import PrivacyKeys, load_keys
from cluster.privacy_store import PURGE_TIMEOUT_S, TOMBSTONE_LIFE_S, Held, Hidden, other_key, user_of
from cluster.redis_errors import store_errors
from cluster.redis_scripts import LOG, PREFIX
from models.errors import StoreError

USER_KEYS = ("history", "negatives", "country", "attributes")
"""Keys of a user, `PREFIX<name>:<user id>`."""

_REFUSED, _TOMBSTONES, _SEALED = f"{PREFIX}refused", f"{PREFIX}tombstones", f"{PREFIX}sealed"
_ERASURES, _FINGERPRINT, _REWRITTEN = f"{PREFIX}erasures", f"{PREFIX}fingerprint", f"{LOG}:rewritten"
_COPIED = 1_000
"""Log entries of one step of `purge`: Redis serves others between steps."""

# ARGV: fingerprint, job id, job, life of a tombstone in µs, then user and subject in turn.
_HIDE = f"""
redis.call('SET', '{_FINGERPRINT}', ARGV[1], 'NX')
if redis.call('GET', '{_FINGERPRINT}') ~= ARGV[1] then return false end
local now = redis.call('TIME')
local offset = math.max(now[1] * 1000000 + now[2], tonumber(redis.call('GET', '{PREFIX}offset') or '0'))
local text = string.format('%.0f', offset)
redis.call('SET', '{PREFIX}offset', text)
redis.call('ZREMRANGEBYSCORE', '{_TOMBSTONES}', '-inf', string.format('(%.0f', offset - ARGV[4]))
local events, profiles, described, refused, sealed = 0, 0, 0, 0, 0
for i = 5, #ARGV, 2 do
  local user, subject = ARGV[i], ARGV[i + 1]
  local history, negatives = '{PREFIX}history:' .. user, '{PREFIX}negatives:' .. user
  local country, attributes = '{PREFIX}country:' .. user, '{PREFIX}attributes:' .. user
  events = events + redis.call('LLEN', history) + redis.call('LLEN', negatives)
  described = described + redis.call('HLEN', attributes)
  profiles = profiles + redis.call('EXISTS', country)
  redis.call('DEL', history, negatives, country, attributes)
  refused = refused + redis.call('SREM', '{_REFUSED}', user)
  sealed = sealed + redis.call('HDEL', '{_SEALED}', subject)
  redis.call('ZADD', '{_TOMBSTONES}', text, subject)
end
redis.call('HSET', '{_ERASURES}', ARGV[2], ARGV[3])
return {{text, events, described, profiles, refused, sealed}}
"""
_HIDDEN_NAMES = ("history", "attributes", "profile", "consent", "email")

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

    def __init__(self, client: Any, keys: Callable[[], PrivacyKeys] = load_keys) -> None:
        self._redis, self._load_keys = client, keys
        self._hide = client.register_script(_HIDE)
        self._swap = client.register_script(_SWAP)
        self._meets_tombstones = False

    @cached_property
    def _keys(self) -> PrivacyKeys:
        return self._load_keys()

    def hide(self, user_ids: Sequence[str], job_id: str, job: bytes) -> Hidden:
        """One script."""
        pairs = [part for user_id in user_ids for part in (user_id, self._keys.subject(user_id))]
        life_us = TOMBSTONE_LIFE_S * 1_000_000
        with store_errors():
            answer = self._hide(keys=[LOG], args=[self._keys.subject(""), job_id, job, life_us, *pairs])
        if answer is None:
            raise other_key()
        offset, *counts = map(int, answer)
        return Hidden(offset, dict(zip(_HIDDEN_NAMES, counts, strict=True)))

    def erased_since(self, offset: int) -> dict[bytes, int]:
        """By score."""
        with store_errors():
            found = self._redis.zrangebyscore(_TOMBSTONES, offset, "+inf", withscores=True)
        return {subject: int(score) for subject, score in found}

    def purge(self, through: Mapping[str, int]) -> int:
        """The log to a new key without those entries; then new files, where the server keeps any."""
        with store_errors():
            self._redis.delete(_REWRITTEN)
            num_removed, last = 0, b"0-0"
            for entries in self._log():
                kept = [(id_, fields) for id_, fields in entries if not _is_of(id_, fields, through)]
                num_removed += len(entries) - len(kept)
                last = entries[-1][0]
                with self._redis.pipeline(transaction=False) as pipe:
                    for id_, fields in kept:
                        pipe.xadd(_REWRITTEN, fields, id=id_)
                    pipe.execute()
            self._swap(keys=[LOG, _REWRITTEN], args=[last])
            self._rewrite_files()
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

    def set_consent(self, user_ids: Collection[str], personalization: bool) -> int:
        """One transaction."""
        if not user_ids:
            return 0
        with store_errors(), self._redis.pipeline() as pipe:
            if personalization:
                pipe.srem(_REFUSED, *user_ids)
            else:
                pipe.sadd(_REFUSED, *user_ids)
                emptied = ("history", "negatives", "attributes")
                pipe.delete(*(f"{PREFIX}{name}:{user_id}" for name in emptied for user_id in user_ids))
            return int(pipe.execute()[0])

    def held(self, user_id: str) -> Held:
        """For the user's own eyes."""
        refused = bool(self.refused_among([user_id]))
        return Held(False if refused else None, self.sealed([self._keys.subject(user_id)])[0])

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
        """Those who refused personalization."""
        ids = list(dict.fromkeys(user_ids))
        with store_errors():
            refused = self._redis.smismember(_REFUSED, ids) if ids else []
        return {user_id for user_id, is_refused in zip(ids, refused, strict=True) if is_refused}

    def erased_among(self, user_ids: Sequence[str]) -> set[str]:
        """Those who have a tombstone."""
        with store_errors():
            if not user_ids or not self._redis.zcard(_TOMBSTONES):
                return set()
            scores = self._redis.zmscore(_TOMBSTONES, self.subjects(user_ids, wanted=True))
        return {user_id for user_id, score in zip(user_ids, scores, strict=True) if score is not None}

    def subjects(self, user_ids: Sequence[str], *, wanted: bool = False) -> list[bytes]:
        """Subjects of users, once this process has met tombstones; nothing before, for then nobody needs the key."""
        if wanted and not self._meets_tombstones:
            self._check()
            self._meets_tombstones = True
        return [self._keys.subject(user_id) for user_id in user_ids] if self._meets_tombstones else []

    def _check(self) -> None:
        if self._redis.get(_FINGERPRINT) != self._keys.subject(""):
            raise other_key()

    def _log(self) -> Iterator[list[tuple[bytes, dict[bytes, bytes]]]]:
        after = "-"
        while entries := self._redis.xrange(LOG, min=after, count=_COPIED):
            yield entries
            after = f"({entries[-1][0].decode()}"

    def _rewrite_files(self) -> None:
        """Old append-only files and dumps hold what was deleted until they are written anew."""
        info = self._redis.info("persistence")
        if info["aof_enabled"]:
            self._redis.bgrewriteaof()
        elif info["rdb_saves"] or info["rdb_last_load_keys_loaded"]:
            self._redis.bgsave(schedule=True)
        deadline = time.monotonic() + PURGE_TIMEOUT_S
        while time.monotonic() < deadline:
            info = self._redis.info("persistence")
            busy = ("aof_rewrite_in_progress", "aof_rewrite_scheduled", "rdb_bgsave_in_progress")
            if not any(info[name] for name in busy):
                return
            time.sleep(0.05)
        raise StoreError(
            f"Redis has not written its files anew within {PURGE_TIMEOUT_S:.0f} s, so they may still hold what was "
            "erased. See INFO persistence, and run the erasure again."
        )


def _is_of(id_: bytes, fields: Mapping[bytes, bytes], through: Mapping[str, int]) -> bool:
    return int(id_.partition(b"-")[0]) <= through.get(user_of(fields[b"body"]), 0)
