"""The catalogue in Redis, on the connection of the online store. Every key starts with `shoal:{0}:catalogue:`.

    <kind>:<id>         hash: version, state, and body unless it was deleted
    changes:<kind>      sorted set: the ids by the version at which they changed
    restricted:<kind>   sorted set: those of them that are restricted, by the same version
    version:<kind>      the newest change

Nothing of it expires: what was put stays until it is deleted, and what was deleted must stay so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cluster.catalogue_store import Change, Document, Edit, Outcome
from cluster.redis_errors import store_errors
from cluster.redis_scripts import PREFIX
from models.catalogue_entries import Kind

CATALOGUE = f"{PREFIX}catalogue:"
ITEM_VERSION = f"{CATALOGUE}version:{Kind.ITEM}"
_EDIT_ARGUMENTS = 7
_MAX_EDITS = 500
"""Of one script call: Redis serves nobody else meanwhile."""
_MAX_CHANGES = 2_000

_WRITE = f"""
local PREFIX, KIND = '{PREFIX}', ARGV[1]
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
    if KIND == '{Kind.USER}' and not new then
      redis.call('DEL', PREFIX .. 'country:' .. id, PREFIX .. 'attributes:' .. id)
    end
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
    """`CatalogueStore` over the client of an online store."""

    def __init__(self, client: Any) -> None:
        self._redis = client
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
        return outcomes

    def changes(self, kind: Kind, after: int, limit: int, *, restricted: bool = False) -> list[Change]:
        """Changes with a version above `after`, in order; `restricted`: only those that are restricted now."""
        key = f"{CATALOGUE}{'restricted' if restricted else 'changes'}:{kind}"
        found: list[Change] = []
        while len(found) < limit:
            num = min(limit - len(found), _MAX_CHANGES)
            with store_errors():
                answer = self._changes(keys=[key], args=[after, num, kind.value])
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


def _arguments(edit: Edit) -> tuple[str | bytes | int, ...]:
    expected = "" if edit.expected is None else edit.expected
    kept = edit.body is not None
    return edit.id, expected, int(kept), edit.body or b"", edit.state, int(edit.restricted), int(edit.quiet)
