"""The ranker's share in the final score, learned on validation cases: 0 when the ranker does not help."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from models.nets.ranker_net import RANKER
from models.recommender import Recommender
from pipelines.evaluation.cases import EvaluationCase
from pipelines.evaluation.evaluation import LEADING
from pipelines.evaluation.evaluator import evaluate_bundle

WEIGHTS = (0.0, 0.25, 0.5, 1.0)


def fit_weight(folder: Path, cases: Sequence[EvaluationCase]) -> float:
    """Write the weight with the best validation NDCG@10 into `ranker.json`; the smallest of equals."""
    scores = {}
    for weight in WEIGHTS:
        _set_weight(folder, weight)
        scores[weight] = evaluate_bundle(Recommender.load(folder, "candidate"), cases)[LEADING]
    best = max(WEIGHTS, key=lambda weight: (scores[weight], -weight))
    _set_weight(folder, best)
    return best


def _set_weight(folder: Path, weight: float) -> None:
    path = (folder / RANKER).with_suffix(".json")
    path.write_text(json.dumps({**json.loads(path.read_bytes()), "weight": weight}, indent=2, sort_keys=True))
