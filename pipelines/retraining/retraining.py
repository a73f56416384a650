"""Ingest what is new, train retrieval and ranker, publish, and promote if better. Every step can be run again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cluster.console import say
from cluster.lake import Lake
from cluster.online_store import OnlineStore
from cluster.registry import Registry
from pipelines.ingestion.ingesting import IngestOptions, ingest
from pipelines.learning.trainer import train
from pipelines.online.sink import sink
from pipelines.online.warm import warm
from pipelines.publication.publish import Published, publish
from pipelines.recipes import Recipe


def retrain(
    lake: Lake,
    store: OnlineStore,
    registry: Registry,
    runs_uri: str,
    *,
    retrieval: Recipe,
    ranker: Recipe | None,
    sources: Sequence[str] = (),
    options: IngestOptions | None = None,
) -> Published:
    """The event log and the `sources` go into the lake first; the store learns what only the lake knew."""
    drained = sink(store, lake)
    say(f"event log: {drained.num_interactions:,} interactions, {drained.num_exposures:,} exposures into the lake")
    for source in sources:
        say(str(ingest(source, lake, options or IngestOptions())))
    if sources:
        warm(lake, store)
    retrieval_run = train(retrieval, lake, runs_uri)
    ranker_run = None
    if ranker is not None:  # it ranks what the retrieval run knows, and must not see what that one held out
        ranker_run = train(replace(ranker, features=retrieval.features, split=retrieval.split), lake, runs_uri)
    return publish(retrieval_run.uri, ranker_run.uri if ranker_run else None, lake, registry)
