"""Assemble, evaluate, publish, and let the gate decide on the champion alias."""

from __future__ import annotations

import secrets
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from cluster.commands.console import say
from cluster.delta.lake import Lake
from cluster.privacy.vocabulary_erasure import erase_from_registry, erased_meanwhile
from cluster.registry import Registry
from models.errors import BundleError, NotFoundError
from models.manifest import Manifest
from models.recommender import Recommender
from models.retrievers.loading import feature_spec
from models.tables import Table
from pipelines.evaluation.candidate_lists import candidate_lists, read_candidates
from pipelines.evaluation.cases import evaluation_cases, known_users
from pipelines.evaluation.evaluation import Evaluation
from pipelines.evaluation.labelled_pairs import read_labels, users_of
from pipelines.evaluation.picture import picture
from pipelines.evaluation.protocols import full_ranking, given_candidates, given_labels
from pipelines.learning.data.corpus import split_of
from pipelines.learning.data.sequences import sequences
from pipelines.learning.data.split import TEST, VALIDATION, SplitConfig
from pipelines.publication.assemble import Assembled, assemble, exported, index_records
from pipelines.publication.blend import fit_weight
from pipelines.publication.gate import Verdict, judge, unjudged

MAX_CASES = 10_000
_BLEND_CASES = 1_000
EVALUATION_JSON, EVALUATION_SVG = "evaluation.json", "evaluation.svg"


@dataclass(frozen=True, slots=True)
class Published:
    """A version in the registry, how good it is, and whether it became the champion.

    `evaluation` None: the lake has nothing to judge it on.
    """

    version: str
    evaluation: Evaluation | None
    verdict: Verdict

    @property
    def metrics(self) -> dict[str, dict[str, float]]:
        """Means by model and metric, as the manifest holds them."""
        return self.evaluation.metrics if self.evaluation else {}


def publish(
    retrieval_uri: str, ranker_uri: str | None, lake: Lake, registry: Registry, *, max_cases: int = MAX_CASES
) -> Published:
    """Publish the runs as one bundle; it becomes the champion when the gate passes it."""
    with tempfile.TemporaryDirectory() as scratch:
        bundle = assemble(retrieval_uri, ranker_uri, Path(scratch))
        evaluation = evaluate_candidate(bundle, lake, registry, max_cases)
        if evaluation is not None:
            (bundle.folder / EVALUATION_JSON).write_bytes(evaluation.to_json())
            (bundle.folder / EVALUATION_SVG).write_bytes(picture(evaluation))
        version = registry.publish(bundle.folder, _manifest(bundle, evaluation.metrics if evaluation else {}))
    # An erasure may have passed the registry before the bundle was there, and the run after it was copied.
    if erased := erased_meanwhile(registry.folder(version), exported(retrieval_uri, ranker_uri)):
        erase_from_registry(registry, erased)
    verdict = judge(evaluation) if evaluation else unjudged(registry.champion())
    if verdict.passed:
        registry.promote(version)
    say(f"published {version}; {'now' if verdict.passed else 'not'} the champion: {verdict.reason}")
    return Published(version, evaluation, verdict)


def evaluate_candidate(
    bundle: Assembled,
    lake: Lake,
    registry: Registry | None,
    max_cases: int,
    *,
    candidates: Path | None = None,
    labels: Path | None = None,
) -> Evaluation | None:
    """The bundle, popularity and the champion on the same held-out cases: up to `max_cases` by full ranking.

    None when nothing is held out: a lake of items alone, or users of too few events each.

    With a file of `candidates` each held-out item of its users is ranked among these instead; with a file of
    `labels` its pairs are scored, users as of just before their first held-out event.
    """
    lists = read_candidates(candidates) if candidates is not None else None
    pairs = read_labels(labels) if labels is not None else None
    seed = int(bundle.config["retrieval"]["seed"])
    lake = lake.pinned(bundle.data["versions"])
    lake.check_readable()
    if not lake.num_rows(Table.INTERACTIONS):
        return None
    split = split_of(SplitConfig(**bundle.config["retrieval"]["split"]), lake)
    log = sequences(lake, seed).materialize()
    if "ranker" in bundle.config:
        weight = fit_weight(bundle.folder, evaluation_cases(log, split, VALIDATION, _BLEND_CASES))
        say(f"ranker weight by validation: {weight}")
    models = {"model": Recommender.load(bundle.folder, "candidate")} | _champion(registry)
    if pairs is not None:
        known = known_users(sequences(lake, seed, users=pairs.user_ids), split, TEST)
        evaluation = given_labels(models, pairs, *users_of(pairs, known))
    elif lists is not None:
        cases = evaluation_cases(sequences(lake, seed, users=lists), split, TEST, len(lists))
        evaluation = given_candidates(models, *candidate_lists(lists, cases))
    elif cases := evaluation_cases(log, split, TEST, max_cases):
        evaluation = full_ranking(models, cases)
    else:
        return None
    for note in evaluation.notes:
        say(f"note: {note}")
    return evaluation


def _champion(registry: Registry | None) -> dict[str, Recommender]:
    """The champion by that name; nothing when there is none, or when it cannot be loaded."""
    version = registry.champion() if registry is not None else None
    if registry is None or version is None:
        return {}
    try:
        digest = registry.manifest(version).feature_digest
        return {"champion": Recommender.load(registry.fetch(version), version, digest)}
    except (BundleError, NotFoundError) as error:  # it must not keep a sound candidate from its place
        say(f"warning: the champion cannot be evaluated, the candidate is judged without it: {error}")
        return {}


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
        indexes=index_records(bundle.folder),
    )
