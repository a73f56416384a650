"""The catalogue in Redis, on the connection of the online store. Every key starts with `shoal:{0}:catalogue:`: changes
of one kind have one order, so they lie together.

    <kind>:<id>         hash: version, state, and body unless it was deleted
    changes:<kind>      sorted set: the ids by the version at which they changed
    restricted:<kind>   sorted set: those of them that are restricted, by the same version
    version:<kind>      the newest change

Nothing of it expires: what was put stays until it is deleted, and what was deleted must stay so. The partition of a
user knows from its `refused` who refuses personalization (`cluster/redis/erasure.py`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from cluster.online.catalogue_store import Change, Document, Edit, Outcome
from cluster.online.profile_state import refuses
from cluster.redis.connection import key, log_key, store_errors
from cluster.redis.scripts import PREFIX
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

# ARGV: user, version, whether it refuses and whether it is deleted, in turn.
# An older profile never undoes a newer one.
_FOLLOW = f"""{PREFIX}
local refused = PREFIX .. 'refused'
for i = 1, #ARGV, 4 do
  local user, version, refuses, deleted = unpack(ARGV, i, i + 3)
  local before = tonumber(redis.call('ZSCORE', refused, user) or '0')
  if refuses == '1' then
    redis.call('ZADD', refused, 'GT', version, user)
    redis.call('DEL', PREFIX .. 'history:' .. user, PREFIX .. 'negatives:' .. user, PREFIX .. 'attributes:' .. user)
    redis.call('DEL', PREFIX .. 'vector:' .. user)
  elseif before <= tonumber(version) then
    redis.call('ZREM', refused, user)
  end
  if deleted == '1' then
    redis.call('DEL', PREFIX .. 'country:' .. user, PREFIX .. 'attributes:' .. user, PREFIX .. 'vector:' .. user)
  end
end
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
        self._follow = client.register_script(_FOLLOW)
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
            self._keep_to([(edit, done) for edit, done in zip(edits, outcomes, strict=True) if done])
        return outcomes

    def _keep_to(self, written: Sequence[tuple[Edit, Outcome]]) -> None:
        """What else the store keeps of users, as their profiles have it: nothing of a deleted one but events, and of
        who refuses personalization the country alone. The same write again does it again.
        """
        calls: dict[int, list[str | int]] = defaultdict(list)
        for edit, done in written:
            calls[self._partition_of(edit.id)] += (
                edit.id,
                done.version,
                int(refuses(edit.state)),
                int(edit.body is None),
            )
        with store_errors(), self._redis.pipeline(transaction=False) as pipe:
            for partition, args in calls.items():
                self._follow(keys=[log_key(partition)], args=args, client=pipe)
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
