"""The files of a bundle from a run's best checkpoint: whole weights, vocabularies, popular lists, index."""

from __future__ import annotations

import json
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from cluster.storage import Folder
from models.index import VectorIndex
from models.net_config import TableSizes, TwoTowerConfig
from models.net_files import RANKER, TWO_TOWER, TwoTowerNet, save_net
from models.popularity import FILE as POPULAR_FILE
from models.popularity import popular_lists
from models.recommender import FEATURES_FILE, INDEX_FILE, USERS_FILE
from pipelines.learning.checkpoint import Reader
from pipelines.learning.corpus import Corpus
from pipelines.recipes import Recipe


def export(
    recipe: Recipe, corpus: Corpus, sizes: TableSizes, checkpoint: Any, run_uri: str, weight: float = 0.0
) -> None:
    """Write `export/` of the run. `weight`: the ranker's share in the final score."""
    with checkpoint.as_directory() as folder, tempfile.TemporaryDirectory() as scratch:
        weights = Reader(Path(folder)).net()
        out = Path(scratch)
        if isinstance(recipe.model, TwoTowerConfig):
            save_net(out, TWO_TOWER, recipe.model, sizes, weights)
            _save_retrieval(out, recipe, corpus)
        else:
            save_net(out, RANKER, recipe.model, sizes, weights, weight=weight)
        target = Folder(run_uri).child("export")
        for path in sorted(out.iterdir()):
            target.write(path.name, path.read_bytes())


def _save_retrieval(out: Path, recipe: Recipe, corpus: Corpus) -> None:
    (out / FEATURES_FILE).write_text(json.dumps(asdict(recipe.features), sort_keys=True))
    corpus.items.save(out)
    pq.write_table(pa.table({"user_id": pa.array(corpus.users.ids, pa.string())}), out / USERS_FILE)
    pq.write_table(popular_lists(corpus.popular, len(corpus.items)), out / POPULAR_FILE)
    vectors = TwoTowerNet.load(out).item_vectors(corpus.items.features(recipe.features))
    VectorIndex.build(vectors).save(out / INDEX_FILE)
