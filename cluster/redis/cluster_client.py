"""A client of a Redis Cluster with the manners of a single server's client that our files rely on.

redis-py's own finds the nodes when it is made, where ours connects at its first call; and it takes no scripts in
pipelines, where ours send the scripts of all partitions in one round trip for each node.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from typing import Any

from redis.cluster import RedisCluster
from redis.connection import parse_url
from redis.exceptions import NoScriptError

Argument = str | bytes | int


class ClusterClient:
    """Commands go to the node that has their key. `options` are those of `RedisCluster`; safe to share between threads.

    `ValueError` when the address is none, or names a database: a cluster has no others than 0.
    """

    def __init__(self, url: str, **options: Any) -> None:
        if parse_url(url).get("db"):
            raise ValueError("a cluster has database 0 alone")
        self._url, self._options = url, options
        self._lock = threading.Lock()
        self._made: RedisCluster | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cluster(), name)

    def pipeline(self, transaction: bool = False) -> ClusterPipeline:
        """Commands and scripts that leave together. There is no transaction over nodes."""
        assert not transaction
        return ClusterPipeline(self._cluster())

    def register_script(self, text: str) -> ClusterScript:
        """The script, to be called with keys of one slot."""
        return ClusterScript(self, text)

    def servers(self) -> list[Any]:
        """A client of each node, replicas among them."""
        cluster = self._cluster()
        return [cluster.get_redis_connection(node) for node in cluster.get_nodes()]

    def ping(self) -> None:
        """Raise when a primary does not answer; whether all replicas do is not asked."""
        self._cluster().ping(target_nodes=RedisCluster.PRIMARIES)

    def close(self) -> None:
        """Release connections; the next call finds the nodes again."""
        with self._lock:
            made, self._made = self._made, None
        if made is not None:
            made.close()

    def _cluster(self) -> RedisCluster:
        with self._lock:
            if self._made is None:
                self._made = RedisCluster.from_url(self._url, **self._options)
            return self._made


class ClusterScript:
    """A script, by its hash; a node that does not know it, because it is new or was started again, is told."""

    def __init__(self, client: ClusterClient, text: str) -> None:
        self._client, self._text = client, text
        self.sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()

    def __call__(
        self, keys: Sequence[str], args: Sequence[Argument] = (), client: ClusterPipeline | None = None
    ) -> Any:
        """The answer; nothing when it is sent with a pipeline."""
        if client is not None:
            client.add(self, keys, args)
            return None
        try:
            return self._client.evalsha(self.sha, len(keys), *keys, *args)
        except NoScriptError:
            self._client.script_load(self._text)
            return self._client.evalsha(self.sha, len(keys), *keys, *args)


class ClusterPipeline:
    """redis-py's pipeline, with scripts."""

    def __init__(self, cluster: RedisCluster) -> None:
        self._pipe = cluster.pipeline(transaction=False)
        self._scripts: dict[int, tuple[ClusterScript, Sequence[str], Sequence[Argument]]] = {}

    def __enter__(self) -> ClusterPipeline:
        return self

    def __exit__(self, *_: object) -> None:
        self._pipe.reset()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._pipe, name)

    def add(self, script: ClusterScript, keys: Sequence[str], args: Sequence[Argument]) -> None:
        """Send the script with the rest."""
        self._scripts[len(self._pipe)] = script, keys, args
        self._pipe.execute_command("EVALSHA", script.sha, len(keys), *keys, *args)

    def execute(self) -> list[Any]:
        """The answers in order; raises the first error. Scripts that a node did not know run after all the rest."""
        answers: list[Any] = self._pipe.execute(raise_on_error=False)
        for at, answer in enumerate(answers):
            if isinstance(answer, NoScriptError):
                script, keys, args = self._scripts[at]
                answers[at] = script(keys, args)
        self._scripts.clear()
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return answers
