"""The event log in Redis: a stream for each partition, and beside it, in the same slot,

positions    hash: job → the offset through which it is done
dead         hash: offset → a dead letter (kind, who refused it, length of the reason, reason, body)
dead:order   sorted set of their offsets
"""

from __future__ import annotations

import struct
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from cluster.online.codec import LAKE_ONLY, logged
from cluster.online.event_log import DeadLetter, Job, Lag, Logged
from cluster.redis.connection import key, log_key, store_errors
from cluster.redis.scripts import LOGGING, PREFIX

_LETTER = struct.Struct(">BBI")
_LAST = 2**64 - 1
"""Of the second halves of a stream's ids."""

# A store from before there were partitions has an offset and no number of them: it has one.
_SETTLE = f"""{PREFIX}
local number = redis.call('EXISTS', PREFIX .. 'offset') == 1 and '1' or ARGV[1]
redis.call('SET', PREFIX .. 'partitions', number, 'NX')
return tonumber(redis.call('GET', PREFIX .. 'partitions'))
"""
_ADVANCE = f"""{PREFIX}
local before = tonumber(redis.call('HGET', PREFIX .. 'positions', ARGV[1]) or '0')
if tonumber(ARGV[2]) > before then redis.call('HSET', PREFIX .. 'positions', ARGV[1], ARGV[2]) end
"""
_TRIM = f"""{PREFIX}
local through
for _, position in ipairs(redis.call('HMGET', PREFIX .. 'positions', unpack(ARGV))) do
  local reached = tonumber(position or '0')
  through = through and math.min(through, reached) or reached
end
redis.call('XTRIM', KEYS[1], 'MINID', string.format('%.0f', through + 1))
"""
_LAG = f"""{PREFIX}
local position = redis.call('HGET', PREFIX .. 'positions', ARGV[1]) or '0'
local first = redis.call('XRANGE', KEYS[1], '(' .. position .. '-{_LAST}', '+', 'COUNT', 1)[1]
if not first then return {{0, '0'}} end
local offset, number = string.match(first[1], '^(%d+)-(%d+)$')
return {{tonumber(redis.call('GET', PREFIX .. 'count') or '1') - tonumber(number) + 1, offset}}
"""
_BURY = f"""{PREFIX}
for i = 1, #ARGV, 2 do
  redis.call('HSETNX', PREFIX .. 'dead', ARGV[i], ARGV[i + 1])
  redis.call('ZADD', PREFIX .. 'dead:order', ARGV[i], ARGV[i])
end
"""
_REPLAY = f"""{LOGGING}
local wrong = mistaken(ARGV[1])
if wrong then return wrong end
local tombstone = redis.call('ZRANGE', PREFIX .. 'tombstones', -1, -1, 'WITHSCORES')[2]
if tombstone and tonumber(tombstone) > tonumber(ARGV[2]) then return 0 end
local passed, num = tonumber(redis.call('HGET', PREFIX .. 'positions', '{Job.LAKE}') or '0'), 0
for i = 3, #ARGV do
  local letter = redis.call('HGET', PREFIX .. 'dead', ARGV[i])
  if letter and tonumber(ARGV[i]) <= passed then
    local kind, refused, length, start = struct.unpack('>BBI4', letter)
    if refused == 1 and kind < {LAKE_ONLY} then kind = kind + {LAKE_ONLY} end
    log(kind, string.sub(letter, start + length))
    redis.call('HDEL', PREFIX .. 'dead', ARGV[i])
    redis.call('ZREM', PREFIX .. 'dead:order', ARGV[i])
    num = num + 1
  end
end
logged()
return num
"""
_DROP = f"""{PREFIX}
redis.call('ZREM', PREFIX .. 'dead:order', ARGV[1])
return redis.call('HDEL', PREFIX .. 'dead', ARGV[1])
"""


class RedisLog:
    """`EventLog` in Redis. `num_partitions`: of a store that has none yet."""

    def __init__(self, client: Any, num_partitions: int) -> None:
        self._redis, self._wanted = client, num_partitions
        self._num_partitions: int | None = None
        self._settle = client.register_script(_SETTLE)
        self._advance = client.register_script(_ADVANCE)
        self._trim = client.register_script(_TRIM)
        self._lag = client.register_script(_LAG)
        self._bury = client.register_script(_BURY)
        self._drop = client.register_script(_DROP)
        self._replay = client.register_script(_REPLAY)

    def num_partitions(self) -> int:
        """What the store says, or what was asked for when it says nothing yet."""
        if self._num_partitions is None:
            with store_errors():
                self._num_partitions = int(self._settle(keys=[log_key(0)], args=[self._wanted]))
        return self._num_partitions

    def read(self, partition: int, after: int, limit: int) -> list[Logged]:
        """Entries with an offset above `after`, in order."""
        with store_errors():
            entries = self._redis.xrange(log_key(partition), min=f"({max(after, 0)}-{_LAST}", count=limit)
        return [
            logged(int(entry_id.partition(b"-")[0]), int(fields[b"kind"]), fields[b"body"])
            for entry_id, fields in entries
        ]

    def position(self, job: Job, partition: int) -> int:
        """The offset through which the job is done."""
        with store_errors():
            return int(self._redis.hget(key(partition, "positions"), job) or 0)

    def advance(self, partition: int, through: int) -> None:
        """The lake has the partition up to and including `through`."""
        with store_errors():
            self._advance(keys=[log_key(partition)], args=[Job.LAKE, through])

    def trim(self, partition: int) -> None:
        """Drop what every job is done with."""
        with store_errors():
            self._trim(keys=[log_key(partition)], args=list(Job))

    def lags(self) -> list[Lag]:
        """Of each job and partition."""
        places = [(job, partition) for job in Job for partition in range(self.num_partitions())]
        with store_errors(), self._redis.pipeline(transaction=False) as pipe:
            for job, partition in places:
                self._lag(keys=[log_key(partition)], args=[job], client=pipe)
            answers = pipe.execute()
        return [
            Lag(job, partition, num, max(0.0, time.time() - int(oldest) / 1e6) if num else 0.0)
            for (job, partition), (num, oldest) in zip(places, answers, strict=True)
        ]

    def bury(self, letters: Sequence[DeadLetter]) -> None:
        """Keep entries that cannot be used."""
        with store_errors():
            for letter in letters:
                reason = letter.reason.encode()
                head = _LETTER.pack(letter.kind, letter.refused_by_lake, len(reason))
                self._bury(keys=[log_key(letter.partition)], args=[letter.offset, head + reason + letter.body])

    def buried(self, partition: int, after: int) -> set[int]:
        """Offsets above `after` of the partition's dead letters."""
        with store_errors():
            return set(map(int, self._redis.zrangebyscore(key(partition, "dead:order"), f"({after}", "+inf")))

    def dead_letters(self, limit: int) -> list[DeadLetter]:
        """The oldest `limit` of each partition, by partition and offset."""
        letters = []
        with store_errors():
            for partition in range(self.num_partitions()):
                offsets = self._redis.zrange(key(partition, "dead:order"), 0, limit - 1)
                values = self._redis.hmget(key(partition, "dead"), offsets) if offsets else []
                # One that was replayed between the two calls is not there any more.
                letters += [_letter(partition, o, v) for o, v in zip(offsets, values, strict=True) if v is not None]
        return letters

    def num_dead_letters(self) -> int:
        """How many are kept."""
        with store_errors(), self._redis.pipeline(transaction=False) as pipe:
            for partition in range(self.num_partitions()):
                pipe.hlen(key(partition, "dead"))
            return sum(pipe.execute())

    def replay(self, letters: Sequence[DeadLetter], erased_through: Mapping[int, int]) -> int:
        """Put dead letters back at the end of the log, those of a partition in one step."""
        parts: dict[int, list[int]] = defaultdict(list)
        for letter in letters:
            parts[letter.partition].append(letter.offset)
        num = 0
        with store_errors():
            for partition, offsets in parts.items():
                args = [self.num_partitions(), erased_through[partition], *offsets]
                num += self._replay(keys=[log_key(partition)], args=args)
        return num

    def drop(self, letters: Sequence[DeadLetter]) -> int:
        """Remove dead letters for good, each in one step."""
        with store_errors():
            return sum(self._drop(keys=[log_key(x.partition)], args=[x.offset]) for x in letters)


def _letter(partition: int, offset: bytes, value: bytes) -> DeadLetter:
    kind, refused, length = _LETTER.unpack_from(value)
    end = _LETTER.size + length
    reason = value[_LETTER.size : end].decode()
    return DeadLetter(partition, int(offset), kind, value[end:], reason, bool(refused))
