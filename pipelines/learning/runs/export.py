"""The files of a bundle from what was trained: weights, vocabularies, popular lists, index."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from torch import Tensor

from cluster.storage import Folder
from models.index.arrays import Vectors
from models.model_config import NeuralCFConfig, RankerConfig, SequenceConfig, TableSizes, TwoTowerConfig
from models.nets.files import save_net
from models.nets.ranker_net import RANKER
from models.popularity import FILE as POPULAR_FILE
from models.popularity import popular_lists
from models.retrievers.loading import describe_retriever
from models.retrievers.neural_cf import NEURAL_CF
from models.retrievers.sequence import SEQUENCE, SequenceEncoder
from models.retrievers.two_tower import TWO_TOWER, TwoTowerEncoder
from models.retrievers.vectors import UserEncoder
from models.vocabulary import USERS_FILE
from pipelines.learning.data.corpus import Corpus
from pipelines.learning.data.held_out import HeldOut
from pipelines.learning.engine.checkpoint import Reader
from pipelines.learning.runs.indexing import save_index
from pipelines.recipes import Recipe


def export_net(
    recipe: Recipe, corpus: Corpus, sizes: TableSizes, checkpoint: Any, held_out: HeldOut | None, run_uri: str
) -> None:
    """Write `export/` of the run from a checkpoint of Ray Train."""

    def write(out: Path) -> None:
        if isinstance(recipe.model, RankerConfig):
            contexts = corpus.ranking.contexts.to_json() if corpus.ranking else {}
            features = asdict(recipe.features)
            knows_popularity = corpus.ranking.knows_popularity if corpus.ranking else True
            save_net(
                out, RANKER, recipe.model, sizes, weights,
                weight=0.0, contexts=contexts, features=features, knows_popularity=knows_popularity,
            )  # fmt: skip
            _save_vocabularies(out, corpus)  # a bundle has its retrieval run's; a warm start needs these
            return
        save_retrieval(out, recipe, corpus)
        if isinstance(recipe.model, NeuralCFConfig):
            save_net(out, NEURAL_CF, recipe.model, sizes, weights)
            return
        vectors, encoder = _save_encoder(out, recipe, corpus, sizes, weights)
        save_index(out, vectors, encoder.encode, held_out, recipe.seed)

    with checkpoint.as_directory() as folder:
        weights = Reader(Path(folder)).net()
        export(run_uri, write)


def _save_encoder(
    out: Path, recipe: Recipe, corpus: Corpus, sizes: TableSizes, weights: dict[str, Tensor]
) -> tuple[Vectors, UserEncoder]:
    """Write the encoder's weights; the vectors of all items, and what encodes users."""
    if isinstance(recipe.model, SequenceConfig):
        save_net(out, SEQUENCE, recipe.model, sizes, weights)
        sequence = SequenceEncoder.load(out, recipe.features)
        return sequence.encode_items(), sequence
    assert isinstance(recipe.model, TwoTowerConfig)
    save_net(out, TWO_TOWER, recipe.model, sizes, weights)
    towers = TwoTowerEncoder.load(out, recipe.features)
    return towers.encode_items(corpus.items.features(recipe.features)), towers


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
    _save_vocabularies(out, corpus)
    pq.write_table(popular_lists(corpus.popular, len(corpus.items)), out / POPULAR_FILE)


def _save_vocabularies(out: Path, corpus: Corpus) -> None:
    corpus.items.save(out)
    pq.write_table(pa.table({"user_id": pa.array(corpus.users.ids, pa.string())}), out / USERS_FILE)
