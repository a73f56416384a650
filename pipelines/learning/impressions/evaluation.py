"""A trained ranker on impressions it has not seen: does it tell what was clicked from what was only shown?"""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from cluster.delta.lake import Lake
from cluster.storage import Folder
from models.errors import InputError
from models.features import FeatureSpec
from models.nets.ranker_net import RANKER, RankerNet
from pipelines.learning.data.corpus import load_corpus
from pipelines.learning.data.split import TEST
from pipelines.learning.impressions.impressions import TARGETS, impressions
from pipelines.learning.impressions.ranking import encode_all, held_out_impressions, popularity_as_of
from pipelines.learning.objectives.heads import placements
from pipelines.learning.runs.run_folder import read_json
from pipelines.recipes import from_dict

_PAIRS_AT_A_TIME = 8_192


def evaluate_impressions(run_uri: str, lake: Lake, head: str = "click", part: int = TEST) -> dict[str, float]:
    """`auc` and `log_loss` of the exported net's final logit by the label of `head`, and `num_impressions`.

    As in serving no position is known; contexts and popularity are as of each exposure. The log loss means something
    when `head` alone has a weight of 1. `InputError` when the part has no impressions.
    """
    recipe = from_dict(read_json(run_uri, "config.json"))
    pinned = lake.pinned(read_json(run_uri, "data.json")["versions"])
    corpus = load_corpus(recipe, pinned)
    net = _exported(run_uri, recipe.features)
    found = impressions(pinned, corpus.split, recipe.seed).materialize()
    encoded = encode_all(found, recipe, corpus, net.contexts)
    held_out = held_out_impressions(recipe.features, encoded, part)
    if held_out is None:
        raise InputError("this part of the split has no impressions. Use another split, or a longer log.")
    features, as_of = corpus.items.features(recipe.features), popularity_as_of(corpus)
    logits = []
    for start in range(0, len(held_out.examples), _PAIRS_AT_A_TIME):
        batch = held_out.examples.take(slice(start, start + _PAIRS_AT_A_TIME))
        popularity = as_of.log_counts(batch.items, batch.users.now_us) if as_of else None
        contexts, owner = batch.extra.get("context"), np.arange(len(batch))
        logits.append(
            net.logits(features, batch.users, owner, batch.items, contexts=contexts, log_popularity=popularity)
        )
    scores, labels = np.concatenate(logits), held_out.examples.extra["targets"][:, TARGETS.index(head)] > 0
    losses = np.logaddexp(0.0, np.where(labels, -scores, scores))
    return {
        "auc": float(placements(scores, labels).mean()),
        "log_loss": float(losses.mean()),
        "num_impressions": float(len(scores)),
    }


def _exported(run_uri: str, spec: FeatureSpec) -> RankerNet:
    export = Folder(run_uri).child("export")
    with tempfile.TemporaryDirectory() as scratch:
        for name in (RANKER, Path(RANKER).with_suffix(".json").name):
            data = export.read(name)
            if data is None:
                raise InputError(f"run {run_uri} has no {name}: it is not a ranker run, or did not finish.")
            (Path(scratch) / name).write_bytes(data)
        return RankerNet.load(Path(scratch), spec)
