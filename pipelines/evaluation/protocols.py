"""The three protocols: full ranking, given candidate lists, labelled pairs. Each measures all models on the same cases.

`models` are the loaded bundles by name: `model`, the candidate, and `champion` when there is one. Popularity, the
baseline, is made of the candidate's training counts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from models.errors import InputError
from models.recommender import Recommender
from models.user_state import UserState
from pipelines.evaluation.candidate_lists import (
    CandidateList,
    bundle_scores,
    measure_candidates,
    popularity_scores,
)
from pipelines.evaluation.cases import EvaluationCase
from pipelines.evaluation.evaluation import Evaluation, compare
from pipelines.evaluation.evaluator import measure_bundle, measure_popularity
from pipelines.evaluation.labelled_pairs import LabelledPairs, measure_labels
from pipelines.evaluation.measured import Measured
from pipelines.evaluation.slices import Slices, slices_of
from pipelines.evaluation.yardstick import Yardstick

Models = Mapping[str, Recommender]


def full_ranking(models: Models, cases: Sequence[EvaluationCase]) -> Evaluation:
    """Rank the whole catalogue for each case, seen items masked."""
    candidate = models["model"]
    yardstick = Yardstick.of(candidate)
    measured = {name: measure_bundle(name, model, cases, yardstick) for name, model in models.items()}
    measured["popularity"] = measure_popularity(candidate, cases, yardstick)
    return compare("full ranking", measured, slices=_slices(candidate, cases))


def given_candidates(models: Models, lists: Sequence[CandidateList], notes: Sequence[str] = ()) -> Evaluation:
    """Rank each case's relevant items among the candidates given for it; `InputError` without a case."""
    if not lists:
        raise InputError(
            f"no candidate list can be judged: {'; '.join(notes) or 'none was given'}. "
            "Give candidates of users whose last items the split holds out."
        )
    measured: dict[str, Measured] = {}
    said = list(notes)
    scores = {name: bundle_scores(model) for name, model in models.items()}
    for name, score in (scores | {"popularity": popularity_scores(models["model"])}).items():
        measured[name], more = measure_candidates(name, score, lists)
        said += more
    slices = _slices(models["model"], [found.case for found in lists])
    return compare("candidate lists", measured, slices=slices, notes=said)


def given_labels(
    models: Models, pairs: LabelledPairs, users: Sequence[UserState], notes: Sequence[str] = ()
) -> Evaluation:
    """Score labelled pairs; popularity has no log loss, because a count is no probability."""
    measured: dict[str, Measured] = {}
    said = list(notes)
    scores = {name: bundle_scores(model) for name, model in models.items()}
    for name, score in (scores | {"popularity": popularity_scores(models["model"])}).items():
        measured[name], more = measure_labels(name, score, users, pairs, is_logit=name != "popularity")
        said += more
    return compare("labelled pairs", measured, notes=said)


def _slices(candidate: Recommender, cases: Sequence[EvaluationCase]) -> Slices:
    return slices_of(cases, candidate.items.vocabulary, candidate.items.counts)
