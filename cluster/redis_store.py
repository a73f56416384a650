"""The online store on a cluster: Redis 7 or later. The only home of `redis`.

    shoal:offset               last log offset (counter)
    shoal:log                  stream, id `<offset>-0`, fields kind and body (JSON); trimmed behind the sink
    shoal:seen:<event id>      marks a taken event for SEEN_WINDOW_S; the same id within it is a duplicate
    shoal:history:<user id>    sorted set by time, the newest HISTORY_LIMIT, kept HISTORY_LIFE_S after the last event
    shoal:country:<user id>    the user's country, with the same life

One Lua script makes an append atomic. It touches keys of many users, so the store wants one primary (with
replicas), not Redis Cluster. Run Redis with `appendonly yes`: an acknowledgement is as durable as its fsync policy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import redis

from cluster.log_codec import EXPOSURE, INTERACTION, decode, encode
from cluster.online_store import HISTORY_LIMIT, Logged, OnlineUser
from models.events import EventType, Interaction
from models.exposures import Exposure
from models.user_state import HistoryEvent

SEEN_WINDOW_S = 7 * 86_400
HISTORY_LIFE_S = 180 * 86_400
_SEPARATOR = "\x1f"
_TIMEOUT_S = 2.0

_APPEND = """
local taken = {}
for i = 1, #ARGV, 7 do
  local id, user, stamp, member, country, kind, body = unpack(ARGV, i, i + 6)
  if redis.call('SET', 'shoal:seen:' .. id, '1', 'NX', 'EX', %(window)d) then
    local offset = redis.call('INCR', 'shoal:offset')
    redis.call('XADD', 'shoal:log', string.format('%%d-0', offset), 'kind', kind, 'body', body)
    local history = 'shoal:history:' .. user
    redis.call('ZADD', history, stamp, member)
    redis.call('ZREMRANGEBYRANK', history, 0, -%(limit)d - 1)
    redis.call('EXPIRE', history, %(life)d)
    if country ~= '' then
      redis.call('SET', 'shoal:country:' .. user, country, 'NX', 'EX', %(life)d)
    end
    taken[#taken + 1] = 1
  else
    taken[#taken + 1] = 0
  end
end
return taken
""" % {"window": SEEN_WINDOW_S, "limit": HISTORY_LIMIT, "life": HISTORY_LIFE_S}

_LOG = """
for i = 1, #ARGV, 2 do
  local offset = redis.call('INCR', 'shoal:offset')
  redis.call('XADD', 'shoal:log', string.format('%d-0', offset), 'kind', ARGV[i], 'body', ARGV[i + 1])
end
"""


class RedisStore:
    """`OnlineStore` in Redis. Safe to share between threads; each process makes its own."""

    def __init__(self, url: str) -> None:
        self._redis: Any = redis.Redis.from_url(
            url, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S, protocol=3
        )
        self._append_script = self._redis.register_script(_APPEND)
        self._log_script = self._redis.register_script(_LOG)

    def append(self, events: Sequence[Interaction]) -> list[bool]:
        """Log, de-duplicate and update histories in one script; False marks a duplicate id."""
        if not events:
            return []
        args: list[str | bytes | int] = []
        for e in events:
            member = _member(e.timestamp_us, e.event_type, e.item_id)
            args += [e.interaction_id, e.user_id, e.timestamp_us, member, e.country or "", INTERACTION, encode(e)]
        return [bool(taken) for taken in self._append_script(args=args)]

    def append_exposures(self, exposures: Sequence[Exposure]) -> None:
        """Log what was shown."""
        if exposures:
            self._log_script(args=[part for e in exposures for part in (EXPOSURE, encode(e))])

    def users(self, user_ids: Sequence[str]) -> list[OnlineUser]:
        """State of each user in order; one pipeline for the whole batch."""
        with self._redis.pipeline(transaction=False) as pipe:
            for user_id in user_ids:
                pipe.zrange(f"shoal:history:{user_id}", 0, -1)
                pipe.get(f"shoal:country:{user_id}")
            answers = pipe.execute()
        return [
            OnlineUser(tuple(map(_event, members)), country.decode() if country else None)
            for members, country in zip(answers[::2], answers[1::2], strict=True)
        ]

    def warm(self, users: Mapping[str, OnlineUser]) -> None:
        """Merge histories and profiles from the lake under what is already there."""
        with self._redis.pipeline(transaction=False) as pipe:
            for user_id, user in users.items():
                key = f"shoal:history:{user_id}"
                if user.history:
                    pipe.zadd(
                        key, {_member(e.timestamp_us, e.event_type, e.item_id): e.timestamp_us for e in user.history}
                    )
                    pipe.zremrangebyrank(key, 0, -HISTORY_LIMIT - 1)
                    pipe.expire(key, HISTORY_LIFE_S)
                if user.country:
                    pipe.set(f"shoal:country:{user_id}", user.country, nx=True, ex=HISTORY_LIFE_S)
            pipe.execute()

    def read_log(self, after: int, limit: int) -> list[Logged]:
        """Log entries with an offset above `after`, in order."""
        entries = self._redis.xrange("shoal:log", min=f"({after}-0", count=limit)
        return [
            Logged(int(entry_id.split(b"-")[0]), decode(fields[b"kind"].decode(), fields[b"body"]))
            for entry_id, fields in entries
        ]

    def trim_log(self, through: int) -> None:
        """Drop log entries up to and including `through`."""
        self._redis.xtrim("shoal:log", minid=f"{through + 1}-0", approximate=False)

    def ping(self) -> None:
        """Raise `redis.RedisError` when the server does not answer."""
        self._redis.ping()

    def close(self) -> None:
        """Release connections."""
        self._redis.close()


def _member(timestamp_us: int, event_type: EventType, item_id: str) -> str:
    return _SEPARATOR.join((str(timestamp_us), event_type.value, item_id))


def _event(member: bytes) -> HistoryEvent:
    timestamp_us, event_type, item_id = member.decode().split(_SEPARATOR, 2)
    return HistoryEvent(item_id, EventType(event_type), int(timestamp_us))
