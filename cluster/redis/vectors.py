"""Vectors of users and items in Redis, in the partition of their id (`cluster/online/vectors.py`).

vector:<user id>       the record of a user
item-vector:<item id>  that of an item; both end VECTOR_LIFE_S after they were written
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from cluster.online.event_log import partition_of
from cluster.online.vectors import VECTOR_LIFE_S, StoredVector, VectorBatch, stored
from cluster.redis.connection import key, log_key, store_errors
from cluster.redis.erasure import RedisPrivacy
from cluster.redis.scripts import IS_NOBODY, PREFIX

_AT_ONCE = 1_000
"""Vectors of one call, 4 MB at the most."""
_ASK_WITH_SUBJECTS = -1

# ARGV: number of users, then user and record in turn; then their subjects, where the caller knows of tombstones.
_KEEP = f"""{PREFIX}{IS_NOBODY}
local num, num_kept, tombstones = tonumber(ARGV[1]), 0, PREFIX .. 'tombstones'
if #ARGV == 1 + 2 * num and redis.call('ZCARD', tombstones) > 0 then return {_ASK_WITH_SUBJECTS} end
for i = 1, num do
  local user, record, subject = ARGV[2 * i], ARGV[2 * i + 1], ARGV[1 + 2 * num + i]
  if not is_nobody(user) and not (subject and redis.call('ZSCORE', tombstones, subject)) then
    redis.call('SET', PREFIX .. 'vector:' .. user, record, 'EX', {VECTOR_LIFE_S})
    num_kept = num_kept + 1
  end
end
return num_kept
"""


class RedisVectors:
    """`VectorStore` in Redis."""

    def __init__(self, client: Any, num_partitions: Callable[[], int], privacy: RedisPrivacy) -> None:
        self._redis, self._num_partitions, self._privacy = client, num_partitions, privacy
        self._keep = client.register_script(_KEEP)

    def keep_users(self, batch: VectorBatch) -> int:
        """One script for each part of a partition, which looks for who refuses and who was erased."""
        parts: dict[int, list[tuple[str, bytes]]] = defaultdict(list)
        for user_id, record in batch.records():
            parts[self._partition(user_id)].append((user_id, record))
        return sum(
            self._keep_part(partition, part[first : first + _AT_ONCE])
            for partition, part in parts.items()
            for first in range(0, len(part), _AT_ONCE)
        )

    def keep_items(self, batch: VectorBatch) -> int:
        """A pipeline at a time."""
        records = list(batch.records())
        for first in range(0, len(records), _AT_ONCE):
            with store_errors(), self._redis.pipeline(transaction=False) as pipe:
                for item_id, record in records[first : first + _AT_ONCE]:
                    pipe.set(self._key("item-vector", item_id), record, ex=VECTOR_LIFE_S)
                pipe.execute()
        return len(records)

    def of_users(self, user_ids: Sequence[str]) -> list[StoredVector | None]:
        """In order; None where there is none."""
        return self._of("vector", user_ids)

    def of_items(self, item_ids: Sequence[str]) -> list[StoredVector | None]:
        """In order; None where there is none."""
        return self._of("item-vector", item_ids)

    def _keep_part(self, partition: int, part: Sequence[tuple[str, bytes]]) -> int:
        args = [len(part), *(piece for pair in part for piece in pair)]
        user_ids = [user_id for user_id, _ in part]
        with store_errors():
            num_kept = int(self._keep(keys=[log_key(partition)], args=[*args, *self._privacy.subjects(user_ids)]))
            if num_kept == _ASK_WITH_SUBJECTS:
                self._privacy.meet_tombstones()
                num_kept = int(self._keep(keys=[log_key(partition)], args=[*args, *self._privacy.subjects(user_ids)]))
        return num_kept

    def _of(self, name: str, ids: Sequence[str]) -> list[StoredVector | None]:
        with store_errors(), self._redis.pipeline(transaction=False) as pipe:
            for id_ in ids:
                pipe.get(self._key(name, id_))
            return [stored(record) for record in pipe.execute()]

    def _key(self, name: str, id_: str) -> str:
        return key(self._partition(id_), f"{name}:{id_}")

    def _partition(self, id_: str) -> int:
        return partition_of(id_, self._num_partitions())
