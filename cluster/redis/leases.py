"""Leases of consumers in Redis, by its clock.

consumers:<job>  in partition 0, a sorted set: owner → until when it is alive, in milliseconds
lease:<job>      in each partition, `token:owner`; expires at the deadline
tokens           in each partition, a hash: job → the last token given out
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from cluster.online.event_log import Job
from cluster.online.leases import Lease
from cluster.redis.connection import key, log_key, store_errors
from cluster.redis.scripts import PREFIX

_ALIVE = f"""{PREFIX}
local key, time = PREFIX .. 'consumers:' .. ARGV[1], redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('ZREMRANGEBYSCORE', key, '-inf', string.format('%.0f', now))
redis.call('ZADD', key, string.format('%.0f', now + tonumber(ARGV[3])), ARGV[2])
redis.call('PEXPIRE', key, 10 * tonumber(ARGV[3]))
return redis.call('ZRANGE', key, 0, -1)
"""
_HOLD = f"""{PREFIX}
local job, owner, life_ms = ARGV[1], ARGV[2], ARGV[3]
local key = PREFIX .. 'lease:' .. job
local held = redis.call('GET', key)
if held then
  local token, holder = string.match(held, '^(%d+):(.*)$')
  if holder ~= owner then return false end
  redis.call('PEXPIRE', key, life_ms)
  return tonumber(token)
end
local token = redis.call('HINCRBY', PREFIX .. 'tokens', job, 1)
redis.call('SET', key, token .. ':' .. owner, 'PX', life_ms)
return token
"""
_RELEASE = f"""{PREFIX}
local key = PREFIX .. 'lease:' .. ARGV[1]
if redis.call('GET', key) == ARGV[2] then redis.call('DEL', key) end
"""


class RedisLeases:
    """`Leases` in Redis."""

    def __init__(self, client: Any, num_partitions: Callable[[], int]) -> None:
        self._redis, self._num_partitions = client, num_partitions
        self._alive = client.register_script(_ALIVE)
        self._hold = client.register_script(_HOLD)
        self._release = client.register_script(_RELEASE)

    def alive(self, job: Job, owner: str, life_s: float) -> list[str]:
        """Say that `owner` lives for another `life_s`; all who live, sorted."""
        with store_errors():
            names = self._alive(keys=[log_key(0)], args=[job, owner, _ms(life_s)])
        return sorted(name.decode() for name in names)

    def hold(self, job: Job, partitions: Sequence[int], owner: str, life_s: float) -> list[Lease]:
        """Renew what `owner` holds of the partitions and take what is free."""
        if not partitions:
            return []
        with store_errors(), self._redis.pipeline(transaction=False) as pipe:
            for partition in partitions:
                self._hold(keys=[log_key(partition)], args=[job, owner, _ms(life_s)], client=pipe)
            tokens = pipe.execute()
        return [Lease(job, p, owner, token) for p, token in zip(partitions, tokens, strict=True) if token]

    def holds(self, lease: Lease) -> bool:
        """Whether the lease is still its owner's."""
        with store_errors():
            return bool(self._redis.get(key(lease.partition, f"lease:{lease.job}")) == value_of(lease).encode())

    def release(self, leases: Sequence[Lease]) -> None:
        """Free them; one that was lost is left alone."""
        with store_errors():
            for lease in leases:
                self._release(keys=[log_key(lease.partition)], args=[lease.job, value_of(lease)])

    def leave(self, job: Job, owner: str) -> None:
        """`owner` is not alive any more."""
        with store_errors():
            self._redis.zrem(key(0, f"consumers:{job}"), owner)

    def holders(self) -> list[Lease]:
        """All leases that are held now, by job and partition."""
        places = [(job, partition) for job in sorted(Job) for partition in range(self._num_partitions())]
        with store_errors(), self._redis.pipeline(transaction=False) as pipe:
            for job, partition in places:
                pipe.get(key(partition, f"lease:{job}"))
            values = pipe.execute()
        held = [(place, value.decode()) for place, value in zip(places, values, strict=True) if value]
        return [Lease(*place, value.partition(":")[2], int(value.partition(":")[0])) for place, value in held]


def value_of(lease: Lease) -> str:
    """What the key of a lease holds while it is this one."""
    return f"{lease.token}:{lease.owner}"


def _ms(seconds: float) -> int:
    return max(1, round(seconds * 1_000))
