"""The files of a bundle from what was trained: weights, vocabularies, popular lists, index."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from cluster.storage import Folder
from models.index import VectorIndex
from models.model_config import RankerConfig, TableSizes, TwoTowerConfig
from models.nets.files import save_net
from models.nets.ranker_net import RANKER
from models.popularity import FILE as POPULAR_FILE
from models.popularity import popular_lists
from models.recommender import USERS_FILE
from models.retrievers.loading import INDEX_FILE, describe_retriever
from models.retrievers.two_tower import TWO_TOWER, TwoTowerEncoder
from pipelines.learning.checkpoint import Reader
from pipelines.learning.corpus import Corpus
from pipelines.recipes import Recipe


def export_net(recipe: Recipe, corpus: Corpus, sizes: TableSizes, checkpoint: Any, run_uri: str) -> None:
    """Write `export/` of the run from a checkpoint of Ray Train."""

    def write(out: Path) -> None:
        if isinstance(recipe.model, RankerConfig):
            contexts = corpus.ranking.contexts.to_json() if corpus.ranking else {}
            save_net(out, RANKER, recipe.model, sizes, weights, weight=0.0, contexts=contexts)
            return
        assert isinstance(recipe.model, TwoTowerConfig)
        save_net(out, TWO_TOWER, recipe.model, sizes, weights)
        features = corpus.items.features(recipe.features)
        VectorIndex.build(TwoTowerEncoder.load(out, recipe.features).encode_items(features)).save(out / INDEX_FILE)
        save_retrieval(out, recipe, corpus)

    with checkpoint.as_directory() as folder:
        weights = Reader(Path(folder)).net()
        export(run_uri, write)


def export(run_uri: str, write: Callable[[Path], None]) -> None:
    """Upload what `write` puts into a folder as `export/` of the run."""
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch)
        write(out)
        target = Folder(run_uri).child("export")
        for path in sorted(p for p in out.rglob("*") if p.is_file()):
            target.write(path.relative_to(out).as_posix(), path.read_bytes())


def save_retrieval(out: Path, recipe: Recipe, corpus: Corpus) -> None:
    """What every retrieval bundle holds beside its retriever's own files."""
    describe_retriever(out, recipe.model.kind, recipe.features)
    corpus.items.save(out)
    pq.write_table(pa.table({"user_id": pa.array(corpus.users.ids, pa.string())}), out / USERS_FILE)
    pq.write_table(popular_lists(corpus.popular, len(corpus.items)), out / POPULAR_FILE)
