"""Assemble, evaluate, publish, and let the gate decide on the champion alias."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cluster.console import say
from cluster.lake import Lake
from cluster.registry import Registry
from models.errors import BundleError, InputError, NotFoundError
from models.manifest import Manifest
from models.recommender import Recommender
from models.retrievers.loading import feature_spec
from pipelines.evaluation.cases import EvaluationCase, evaluation_cases
from pipelines.evaluation.evaluator import evaluate_bundle, evaluate_popularity
from pipelines.learning.corpus import split_of
from pipelines.learning.sequences import sequences
from pipelines.learning.split import TEST, VALIDATION, SplitConfig
from pipelines.publication.assemble import Assembled, assemble
from pipelines.publication.blend import fit_weight
from pipelines.publication.gate import Verdict, judge

MAX_CASES = 10_000
_BLEND_CASES = 1_000


@dataclass(frozen=True, slots=True)
class Published:
    """A version in the registry, its metrics, and whether it became the champion."""

    version: str
    metrics: dict[str, dict[str, float]]
    verdict: Verdict


def publish(
    retrieval_uri: str, ranker_uri: str | None, lake: Lake, registry: Registry, *, max_cases: int = MAX_CASES
) -> Published:
    """Publish the runs as one bundle; it becomes the champion when the gate passes it."""
    with tempfile.TemporaryDirectory() as scratch:
        bundle = assemble(retrieval_uri, ranker_uri, Path(scratch))
        metrics = evaluate_candidate(bundle, lake, registry, max_cases)
        version = registry.publish(bundle.folder, _manifest(bundle, metrics))
    verdict = judge(metrics)
    if verdict.passed:
        registry.promote(version)
    say(f"published {version}; {'now' if verdict.passed else 'not'} the champion: {verdict.reason}")
    return Published(version, metrics, verdict)


def evaluate_candidate(
    bundle: Assembled, lake: Lake, registry: Registry | None, max_cases: int
) -> dict[str, dict[str, float]]:
    """Metrics of the bundle, of popularity and of the champion on the same held-out cases."""
    lake = lake.pinned(bundle.data["versions"])
    split = split_of(SplitConfig(**bundle.config["retrieval"]["split"]), lake)
    log = sequences(lake, int(bundle.config["retrieval"]["seed"])).materialize()
    if "ranker" in bundle.config:
        weight = fit_weight(bundle.folder, evaluation_cases(log, split, VALIDATION, _BLEND_CASES))
        say(f"ranker weight by validation: {weight}")
    cases = evaluation_cases(log, split, TEST, max_cases)
    if not cases:
        raise InputError(
            f"the split {split.protocol} holds nothing out to evaluate on. Train with another, or on users of 3 items."
        )
    candidate = Recommender.load(bundle.folder, "candidate")
    metrics = {"model": evaluate_bundle(candidate, cases), "popularity": evaluate_popularity(candidate, cases)}
    champion = registry.champion() if registry is not None else None
    if registry is not None and champion is not None:
        try:
            metrics["champion"] = _evaluate_champion(registry, champion, cases)
        except (BundleError, NotFoundError) as error:  # it must not keep a sound candidate from its place
            say(f"warning: the champion cannot be evaluated, the candidate is judged without it: {error}")
    return metrics


def _evaluate_champion(registry: Registry, version: str, cases: Sequence[EvaluationCase]) -> dict[str, float]:
    digest = registry.manifest(version).feature_digest
    return evaluate_bundle(Recommender.load(registry.fetch(version), version, digest), cases)


def _manifest(bundle: Assembled, metrics: dict[str, dict[str, float]]) -> Manifest:
    now = datetime.now(UTC)
    return Manifest(
        version=f"{now:%Y%m%dT%H%M%S}-{secrets.token_hex(3)}",
        created_at=now.isoformat(),
        recipe=bundle.recipe,
        config=bundle.config,
        data=bundle.data,
        feature_digest=feature_spec(bundle.folder).digest(),
        metrics=metrics,
    )
