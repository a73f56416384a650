"""The catalogue in Redis, on the connection of the online store. Every key starts with `shoal:{0}:catalogue:`: changes
of one kind have one order, so they lie together.

    <kind>:<id>         hash: version, state, and body unless it was deleted
    changes:<kind>      sorted set: the ids by the version at which they changed
    restricted:<kind>   sorted set: those of them that are restricted, by the same version
    version:<kind>      the newest change

Nothing of it expires: what was put stays until it is deleted, and what was deleted must stay so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cluster.catalogue_store import Change, Document, Edit, Outcome
from cluster.redis_connection import key, store_errors
from models.catalogue_entries import Kind

CATALOGUE = key(0, "catalogue:")
ITEM_VERSION = f"{CATALOGUE}version:{Kind.ITEM}"
_EDIT_ARGUMENTS = 7
_MAX_EDITS = 500
"""Of one script call: Redis serves nobody else meanwhile."""
_MAX_CHANGES = 2_000

_WRITE = f"""
local KIND = ARGV[1]
local DOCUMENT = '{CATALOGUE}' .. KIND .. ':'
local function next_version(before)
  local now = redis.call('TIME')
  local last = tonumber(redis.call('GET', KEYS[1]) or '0')
  return string.format('%.0f', math.max(now[1] * 1000000 + now[2], last + 1, before + 1))
end
local answer = {{}}
for i = 2, #ARGV, {_EDIT_ARGUMENTS} do
  local id, expected, kept, body, state, restricted, quiet = unpack(ARGV, i, i + {_EDIT_ARGUMENTS - 1})
  local key = DOCUMENT .. id
  local found = redis.call('HMGET', key, 'version', 'body')
  local version, old, new = found[1] or '0', found[2], kept == '1' and body
  local changed = false
  if expected ~= '' and expected ~= version then
    version = ''
  elseif not found[1] or old ~= new then
    changed, version = true, next_version(tonumber(version))
    redis.call('HSET', key, 'version', version, 'state', state)
    if new then redis.call('HSET', key, 'body', new) else redis.call('HDEL', key, 'body') end
    if quiet ~= '1' then
      redis.call('ZADD', KEYS[2], version, id)
      redis.call('SET', KEYS[1], version)
    end
    if restricted == '1' then redis.call('ZADD', KEYS[3], version, id) else redis.call('ZREM', KEYS[3], id) end
  end
  answer[#answer + 1] = version
  answer[#answer + 1] = old and 1 or 0
  answer[#answer + 1] = changed and 1 or 0
end
return answer
"""

_CHANGES = f"""
local found = redis.call('ZRANGE', KEYS[1], '(' .. ARGV[1], '+inf', 'BYSCORE', 'LIMIT', 0, ARGV[2], 'WITHSCORES')
local answer = {{}}
for i = 1, #found, 2 do
  answer[#answer + 1] = found[i]
  answer[#answer + 1] = found[i + 1]
  answer[#answer + 1] = redis.call('HGET', '{CATALOGUE}' .. ARGV[3] .. ':' .. found[i], 'state')
end
return answer
"""


class RedisCatalogue:
    """`CatalogueStore` over the client of an online store. `partition_of`: where a user's own keys are."""

    def __init__(self, client: Any, partition_of: Callable[[str], int]) -> None:
        self._redis, self._partition_of = client, partition_of
        self._write = client.register_script(_WRITE)
        self._changes = client.register_script(_CHANGES)

    def get(self, kind: Kind, ids: Sequence[str]) -> list[Document | None]:
        """The documents in order; None where nothing was ever written."""
        with store_errors(), self._redis.pipeline(transaction=False) as pipe:
            for id_ in ids:
                pipe.hmget(f"{CATALOGUE}{kind}:{id_}", "version", "body")
            answers = pipe.execute()
        return [
            None if version is None else Document(id_, int(version), body)
            for id_, (version, body) in zip(ids, answers, strict=True)
        ]

    def write(self, kind: Kind, edits: Sequence[Edit]) -> list[Outcome | None]:
        """Write in order, as many in one script as Redis likes; None where `expected` was not met."""
        outcomes: list[Outcome | None] = []
        keys = [f"{CATALOGUE}{name}:{kind}" for name in ("version", "changes", "restricted")]
        for first in range(0, len(edits), _MAX_EDITS):
            args = [part for edit in edits[first : first + _MAX_EDITS] for part in _arguments(edit)]
            with store_errors():
                answer = self._write(keys=keys, args=[kind.value, *args])
            for version, existed, changed in zip(answer[::3], answer[1::3], answer[2::3], strict=True):
                outcomes.append(Outcome(int(version), bool(existed), bool(changed)) if version else None)
        if kind is Kind.USER:
            self._forget([edit.id for edit, done in zip(edits, outcomes, strict=True) if done and edit.body is None])
        return outcomes

    def _forget(self, user_ids: Sequence[str]) -> None:
        """What events and the lake told of users whose profile was deleted; a retry does it again."""
        with store_errors(), self._redis.pipeline(transaction=False) as pipe:
            for user_id in user_ids:
                partition = self._partition_of(user_id)
                pipe.delete(key(partition, f"country:{user_id}"), key(partition, f"attributes:{user_id}"))
            pipe.execute()

    def changes(self, kind: Kind, after: int, limit: int, *, restricted: bool = False) -> list[Change]:
        """Changes with a version above `after`, in order; `restricted`: only those that are restricted now."""
        name = f"{CATALOGUE}{'restricted' if restricted else 'changes'}:{kind}"
        found: list[Change] = []
        while len(found) < limit:
            num = min(limit - len(found), _MAX_CHANGES)
            with store_errors():
                answer = self._changes(keys=[name], args=[after, num, kind.value])
            parts = zip(answer[::3], answer[1::3], answer[2::3], strict=True)
            found += [Change(id_.decode(), int(float(score)), state) for id_, score, state in parts]
            if len(answer) < 3 * num:
                break
            after = found[-1].version
        return found

    def horizon(self, kind: Kind, num: int) -> int:
        """The version behind which the newest `num` changes lie."""
        with store_errors():
            found = self._redis.zrange(f"{CATALOGUE}changes:{kind}", num, num, desc=True, withscores=True)
        return int(found[0][1]) if found else 0

    def version(self, kind: Kind) -> int:
        """Version of the newest change; 0 before the first."""
        with store_errors():
            return int(self._redis.get(f"{CATALOGUE}version:{kind}") or 0)


def profile_key(user_id: str) -> str:
    """Where the state of a user's profile is."""
    return f"{CATALOGUE}{Kind.USER}:{user_id}"


def _arguments(edit: Edit) -> tuple[str | bytes | int, ...]:
    expected = "" if edit.expected is None else edit.expected
    kept = edit.body is not None
    return edit.id, expected, int(kept), edit.body or b"", edit.state, int(edit.restricted), int(edit.quiet)
