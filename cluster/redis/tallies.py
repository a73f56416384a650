"""What is trending, and counters, in Redis. Each partition counts its own users' events; a read joins them.

    trending:<list>         sorted set: item → moment in seconds, the LIST_LENGTH greatest
    half-life               of the moments, in seconds
    item:<item id>          hash: counter → number
    counted:<user id>       the same of a user
    surface:<recommendation id>  where it was shown, for SURFACE_LIFE_S

The position of the job moves in the script that counts, and the script looks for the lease first.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

import orjson

from cluster.online.event_log import Job, partition_of
from cluster.online.leases import Lease
from cluster.online.trending import (
    COUNTED,
    COUNTERS_LIFE_S,
    LIST_LENGTH,
    LIST_LIFE_HALF_LIVES,
    SURFACE_LIFE_S,
    Tally,
    Trend,
    add_moments,
    list_name,
    weigh,
)
from cluster.redis.connection import key, log_key, store_errors
from cluster.redis.leases import value_of
from cluster.redis.scripts import PREFIX

_READ_AT_LEAST, _READ_TIMES = 200, 4
"""How much of each partition's list is read for a joined one: an item's users are spread evenly, so its places differ
little from partition to partition."""
_ADD = f"""{PREFIX}
local given = cjson.decode(ARGV[1])
if redis.call('GET', PREFIX .. 'lease:{Job.TRENDING}') ~= given.lease then return 0 end
if (redis.call('HGET', PREFIX .. 'positions', '{Job.TRENDING}') or '0') ~= given.after then return 0 end
local tombstone = redis.call('ZRANGE', PREFIX .. 'tombstones', -1, -1, 'WITHSCORES')[2]
if tombstone and tonumber(tombstone) > tonumber(given.erased_through) then return 0 end

local function count(kind, all)
  for id, counts in pairs(all) do
    local key = PREFIX .. kind .. id
    for name, num in pairs(counts) do redis.call('HINCRBY', key, name, string.format('%.0f', num)) end
    redis.call('EXPIRE', key, {COUNTERS_LIFE_S})
  end
end

local half_life = given.half_life_s
local life = half_life * {LIST_LIFE_HALF_LIVES}
local now = tonumber(redis.call('TIME')[1])

local function add(one, other)
  local apart = math.abs(one - other) / half_life
  return math.max(one, other) + half_life * math.log(1 + 2 ^ -apart) / math.log(2)
end

count('item:', given.items)
count('counted:', given.users)
for name, moments in pairs(given.lists) do
  local key = PREFIX .. 'trending:' .. name
  for item, moment in pairs(moments) do
    local before = redis.call('ZSCORE', key, item)
    if before then moment = add(tonumber(before), moment) end
    redis.call('ZADD', key, string.format('%.17g', moment), item)
  end
  redis.call('ZREMRANGEBYRANK', key, 0, -{LIST_LENGTH + 1})
  redis.call('ZREMRANGEBYSCORE', key, '-inf', string.format('%.17g', now - life))
  redis.call('EXPIRE', key, math.ceil(life))
end
redis.call('SET', PREFIX .. 'half-life', string.format('%.17g', half_life))
for id, shown in pairs(given.surfaces) do
  redis.call('SET', PREFIX .. 'surface:' .. id, shown[2], 'EX', {SURFACE_LIFE_S})
end
redis.call('HSET', PREFIX .. 'positions', '{Job.TRENDING}', given.through)
return 1
"""
_TOP = f"""{PREFIX}
return {{redis.call('GET', PREFIX .. 'half-life'),
  redis.call('ZREVRANGE', PREFIX .. 'trending:' .. ARGV[1], 0, ARGV[2] - 1, 'WITHSCORES')}}
"""


class RedisTallies:
    """`Tallies` in Redis."""

    def __init__(self, client: Any, num_partitions: Callable[[], int]) -> None:
        self._redis, self._num_partitions = client, num_partitions
        self._add = client.register_script(_ADD)
        self._top = client.register_script(_TOP)

    def add(self, lease: Lease, after: int, through: int, tally: Tally) -> bool:
        """Count, and move the position, in one script that checks the lease."""
        given = {
            "lease": value_of(lease),
            "after": str(after),
            "through": str(through),
            "half_life_s": tally.half_life_s,
            "items": tally.items,
            "users": tally.users,
            "lists": tally.lists,
            "surfaces": tally.surfaces,
            "erased_through": str(tally.erased_through),
        }
        with store_errors():
            body = orjson.dumps(given)
            return bool(self._add(keys=[log_key(lease.partition)], args=[body]))

    def surfaces(self, partition: int, recommendation_ids: Sequence[str]) -> dict[str, str]:
        """Surfaces of the recommendations that are known."""
        if not recommendation_ids:
            return {}
        with store_errors():
            found = self._redis.mget([key(partition, f"surface:{name}") for name in recommendation_ids])
        pairs = zip(recommendation_ids, found, strict=True)
        return {name: surface.decode() for name, surface in pairs if surface is not None}

    def trending(self, country: str | None, surface: str | None, n: int) -> list[Trend]:
        """The `n` items of the greatest weight over all partitions, best first."""
        args = [list_name(country, surface), min(LIST_LENGTH, max(_READ_AT_LEAST, _READ_TIMES * n))]
        with store_errors(), self._redis.pipeline(transaction=False) as pipe:
            for partition in range(self._num_partitions()):
                self._top(keys=[log_key(partition)], args=args, client=pipe)
            answers = [(float(half_life), pairs) for half_life, pairs in pipe.execute() if half_life]
        # While a new half-life spreads, partitions may differ for a moment.
        half_life_s = max((half_life for half_life, _ in answers), default=1.0)
        moments: dict[str, float] = {}
        for _, pairs in answers:
            for item, moment in zip(pairs[::2], pairs[1::2], strict=True):
                item_id = item.decode()
                moments[item_id] = add_moments(moments.get(item_id), float(moment), half_life_s)
        now = time.time()
        best = sorted(moments.items(), key=lambda pair: (-pair[1], pair[0]))[:n]
        return [Trend(item_id, weigh(moment, now, half_life_s)) for item_id, moment in best]

    def item_counts(self, item_ids: Sequence[str]) -> list[dict[str, int]]:
        """Counters of each item in order, by name."""
        partitions = range(self._num_partitions())
        found = self._hashes([key(p, f"item:{item_id}") for item_id in item_ids for p in partitions])
        return [_joined(found[i : i + len(partitions)]) for i in range(0, len(found), len(partitions))]

    def user_counts(self, user_ids: Sequence[str]) -> list[dict[str, int]]:
        """Counters of each user in order, by name."""
        num = self._num_partitions()
        return [_joined([c]) for c in self._hashes([key(partition_of(u, num), f"counted:{u}") for u in user_ids])]

    def _hashes(self, keys: Sequence[str]) -> list[dict[bytes, bytes]]:
        with store_errors(), self._redis.pipeline(transaction=False) as pipe:
            for name in keys:
                pipe.hgetall(name)
            return list(pipe.execute())


def _joined(counts: Sequence[dict[bytes, bytes]]) -> dict[str, int]:
    """The sum of several, in one order of names."""
    total: dict[str, int] = defaultdict(int)
    for part in counts:
        for name, num in part.items():
            total[name.decode()] += int(num)
    return {name: total[name] for name in COUNTED if total.get(name)}
