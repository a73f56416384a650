"""Building: the kind by the size of the catalogue, and its recall measured before anybody relies on it."""

from __future__ import annotations

import logging
import time

import numpy as np
from numpy.typing import NDArray

from models.errors import InputError
from models.index.arrays import Found, Vectors
from models.index.config import IndexConfig
from models.index.exact import ExactIndex
from models.index.inverted import InvertedIndex
from models.index.published import Published
from models.index.recall import K, exact_last, recall, sample_queries
from models.index.record import IndexRecord
from models.index.selection import Selection, barred_of

_log = logging.getLogger(__name__)
_MAX_REFINE = 16
Scores = NDArray[np.float32]


def build(vectors: Vectors, queries: Vectors | None, config: IndexConfig) -> tuple[Published, IndexRecord]:
    """An index of [num_items, dim], searched widely enough for `config.min_recall` on a sample of [num_users, dim].

    Where even that is not reached by reading everything, a warning says so, and the record has what was reached.
    """
    if not len(vectors):
        raise InputError("there are no item vectors to index. Train on a catalogue that has items.")
    started = time.monotonic()
    kind = config.kind(*vectors.shape)
    sample = sample_queries(vectors, queries, config.num_queries, config.seed)
    last = exact_last(sample, vectors, min(K, len(vectors)))
    index: Published
    if kind == "exact":
        index, nprobe, refine = ExactIndex.of(vectors), 0, 0
        reached = _recall(index, sample, vectors, last)
    else:
        inverted = InvertedIndex.of(vectors, kind, config.nprobe, config.seed)
        index, reached = _wide_enough(inverted, sample, vectors, last, config.min_recall)
        nprobe, refine = index.nprobe, index.refine
    record = IndexRecord(
        kind=kind,
        num_items=len(vectors),
        dim=vectors.shape[1],
        num_bytes=index.num_bytes,
        recall_at_100=round(reached, 4),
        build_s=round(time.monotonic() - started, 3),
        nprobe=nprobe,
        refine=refine,
    )
    return index, record


def _wide_enough(
    index: InvertedIndex, sample: Vectors, vectors: Vectors, last: Scores, least: float
) -> tuple[InvertedIndex, float]:
    """Twice the lists, or twice the rows that are scored again, whichever finds more, until enough is found."""
    reached = _recall(index, sample, vectors, last)
    while reached < least:
        wider = [index.widened(min(2 * index.nprobe, index.nlist), index.refine)] * (index.nprobe < index.nlist)
        wider += [index.widened(index.nprobe, 2 * index.refine)] * (index.refine < _MAX_REFINE)
        if not wider:
            _log.warning("index: recall@100 is %.3f though everything is read; %.3f was asked", reached, least)
            break
        recalls = [_recall(candidate, sample, vectors, last) for candidate in wider]
        best = recalls.index(max(recalls))
        said = (reached, least, wider[best].nprobe, wider[best].refine, recalls[best])
        _log.warning("index: recall@100 is %.3f, under %.3f: with nprobe %d and refine %d it is %.3f", *said)
        index, reached = wider[best], recalls[best]
    return index, reached


def _recall(index: Published, sample: Vectors, vectors: Vectors, last: Scores) -> float:
    def search(queries: Vectors, k: int) -> Found:
        return index.search(queries, k, Selection(barred_of(None, len(queries))))

    return recall(search, sample, vectors, last, min(K, len(vectors)))
