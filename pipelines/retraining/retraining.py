"""Ingest what is new, check it, train retrieval and ranker, publish, and promote if better.

Every step can be run again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cluster.commands.console import say
from cluster.consuming.drain import drain
from cluster.delta.lake import Lake
from cluster.online.store import OnlineStore
from cluster.registry import Registry
from cluster.settings import Settings
from pipelines.ingestion.ingesting import IngestOptions, ingest
from pipelines.learning.refit import selecting
from pipelines.learning.runs.run_folder import stable_run_id
from pipelines.learning.trainer import train
from pipelines.online.catalogue_sink import catalogue_sink
from pipelines.online.warm import warm
from pipelines.publication.publish import Published, publish
from pipelines.quality.checks import check_data
from pipelines.quality.thresholds import Thresholds
from pipelines.recipes import Recipe, to_dict


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
    thresholds: Thresholds | None = Thresholds(),  # noqa: B008 (frozen)
) -> Published:
    """Event log, catalogue and `sources` go into the lake first; the store learns what only the lake knew.

    `thresholds`: of the data checks before training, whose `InputError` names what is past them; None: no checks.
    """
    drained = drain(store, lake, Settings().trending_half_life_s)
    say(f"event log: {drained.num_interactions:,} interactions, {drained.num_exposures:,} exposures into the lake")
    moved = catalogue_sink(store, lake)
    say(f"catalogue: {moved.num_items:,} items, {moved.num_users:,} users into the lake")
    for source in sources:
        say(str(ingest(source, lake, options or IngestOptions())))
    if sources:
        warm(lake, store)
    data = lake.pinned()
    if thresholds is not None:
        check_data(data, thresholds)
    if ranker is not None:  # its share is chosen on what validates, which a refit would have seen
        retrieval = selecting(retrieval)
    retrieval_run = train(retrieval, data, runs_uri, run_id=_attempt(retrieval, data))
    ranker_run = None
    if ranker is not None:  # it ranks what the retrieval run knows, and must not see what that one held out
        ranker = beside(retrieval, ranker)
        ranker_run = train(ranker, data, runs_uri, run_id=_attempt(ranker, data))
    return publish(retrieval_run.uri, ranker_run.uri if ranker_run else None, lake, registry)


def beside(retrieval: Recipe, ranker: Recipe) -> Recipe:
    """The ranker with the split and the buckets of the retrieval recipe, and histories of its own length."""
    own = ranker.features
    features = replace(retrieval.features, history_length=own.history_length, recent_length=own.recent_length)
    return replace(ranker, features=features, split=retrieval.split)


def _attempt(recipe: Recipe, data: Lake) -> str:
    """A retried retraining on the same data finds its own run, whole or half done, and trains nothing twice."""
    return stable_run_id(recipe.name, to_dict(recipe), data.uri, data.versions)
