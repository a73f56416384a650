"""A retriever's folder: `retriever.json` names the family, the other files are that family's own."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.errors import BundleError
from models.features import FeatureSpec
from models.index.vector_index import VectorIndex
from models.item_table import ItemTable
from models.retrievers.als import FoldIn
from models.retrievers.content import load_content
from models.retrievers.exhaustive import ExhaustiveRetriever
from models.retrievers.history import HistoryRetriever
from models.retrievers.hybrid import CONTENT, SOURCES_FOLDER, HybridRetriever, Source, read_fusion
from models.retrievers.item_knn import ItemKnnRetriever
from models.retrievers.neural_cf import NeuralCFScorer
from models.retrievers.retriever import Retriever
from models.retrievers.sequence import SequenceEncoder
from models.retrievers.two_tower import TwoTowerEncoder
from models.retrievers.vectors import VectorRetriever

FEATURES_FILE = "features.json"
INDEX_FILE = "index.faiss"
_KIND_FILE = "retriever.json"


def describe_retriever(folder: Path, kind: str, spec: FeatureSpec) -> None:
    """Write what `load_retriever` goes by."""
    (folder / _KIND_FILE).write_text(json.dumps({"kind": kind}, indent=2))
    (folder / FEATURES_FILE).write_text(json.dumps(asdict(spec), sort_keys=True))


def feature_spec(folder: Path) -> FeatureSpec:
    """The spec that the folder was trained with."""
    return FeatureSpec(**json.loads((folder / FEATURES_FILE).read_bytes()))


def load_retriever(folder: Path, items: ItemTable) -> Retriever:
    """The retriever of a folder; `BundleError` for a kind that this Shoal does not know."""
    kind = _kind(folder)
    if kind not in _FAMILIES:
        raise BundleError(f"retriever kind {kind!r} is unknown; this Shoal has {', '.join(_FAMILIES)}. Update Shoal.")
    return _FAMILIES[kind](folder, feature_spec(folder), items)


def _index(folder: Path, items: ItemTable) -> VectorIndex:
    index = VectorIndex.load(folder / INDEX_FILE)
    if len(index) != len(items):
        raise BundleError(f"the index holds {len(index)} vectors for {len(items)} items. Publish it again.")
    return index


def _two_tower(folder: Path, spec: FeatureSpec, items: ItemTable) -> Retriever:
    encoder = TwoTowerEncoder.load(folder, spec)
    return VectorRetriever(encoder, _index(folder, items), by_user_id=True, by_profile=encoder.reads_profiles)


def _sequence(folder: Path, spec: FeatureSpec, items: ItemTable) -> Retriever:
    return VectorRetriever(SequenceEncoder.load(folder, spec), _index(folder, items))


def _neural_cf(folder: Path, spec: FeatureSpec, items: ItemTable) -> Retriever:
    return ExhaustiveRetriever(NeuralCFScorer.load(folder), by_user_id=True)


def _als(folder: Path, _: FeatureSpec, items: ItemTable) -> Retriever:
    index = _index(folder, items)
    return HistoryRetriever(FoldIn.load(folder, index), index)


def _item_knn(folder: Path, _: FeatureSpec, items: ItemTable) -> Retriever:
    return ItemKnnRetriever.load(folder, len(items))


def _content(folder: Path, _: FeatureSpec, items: ItemTable) -> Retriever:
    return load_content(folder, _index(folder, items))


def _hybrid(folder: Path, _: FeatureSpec, items: ItemTable) -> Retriever:
    names, weights = read_fusion(folder)
    return HybridRetriever(*load_sources(folder, names, items), weights)


def load_sources(folder: Path, names: Sequence[str], items: ItemTable) -> tuple[list[Source], NDArray[np.int64]]:
    """The sources of a hybrid's folder, in order, and the training events of each item."""
    sources = []
    for name in names:
        inner = folder / SOURCES_FOLDER / name
        length = feature_spec(inner).history_length
        sources.append(Source(name, load_retriever(inner, items), length, _kind(inner) == CONTENT))
    return sources, items.counts


def _kind(folder: Path) -> str:
    return str(json.loads((folder / _KIND_FILE).read_bytes())["kind"])


_FAMILIES: dict[str, Callable[[Path, FeatureSpec, ItemTable], Retriever]] = {
    "two_tower": _two_tower,
    "sequence": _sequence,
    "neural_cf": _neural_cf,
    "hybrid": _hybrid,
    "als": _als,
    "item_knn": _item_knn,
    "content": _content,
}
