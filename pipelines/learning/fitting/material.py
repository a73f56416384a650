"""What a fit reads: who had which item in training, the items, and what validates."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import ray
from numpy.typing import NDArray
from ray.data.block import BlockAccessor
from scipy.sparse import csr_matrix

from cluster.delta.lake import Lake
from models.item_table import ItemTable
from pipelines.learning.data.corpus import Corpus
from pipelines.learning.data.held_out import HeldOut
from pipelines.learning.data.split import TRAIN
from pipelines.learning.fitting.item_texts import ItemTexts, read_texts

Block = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Material:
    """`interactions`: [num_users, num_items], 1 for each training pair; `texts` reads what is said of the items.

    `num_threads`: how many the fit may use.
    """

    interactions: csr_matrix
    items: ItemTable
    texts: Callable[[], ItemTexts]
    held_out: HeldOut | None = None
    num_threads: int = 1


def pairs_of(block: Block) -> Block:
    """Training events of a block of encoded sequences."""
    trained = [labels == TRAIN for labels in block["labels"]]
    rows = [items[kept] for items, kept in zip(block["item_rows"], trained, strict=True)]
    users = np.repeat(block["user_row"], [len(part) for part in rows]).astype(np.int32)
    return {"user_row": users, "item_row": np.concatenate(rows) if rows else np.zeros(0, np.int32)}


def make_material(corpus: Corpus, blocks: list[ray.ObjectRef], held_out: HeldOut | None, num_threads: int) -> Material:
    """Material of a corpus from references to its encoded blocks, of which only one at a time is in memory."""
    shape = (len(corpus.users), len(corpus.items))
    texts = partial(read_texts, Lake(corpus.snapshot["lake"], versions=corpus.snapshot["versions"]), corpus.items)
    accessors = (BlockAccessor.for_block(ray.get(block)) for block in blocks)
    # A block without rows has lost its columns too.
    pairs = (pairs_of(block.to_numpy()) for block in accessors if block.num_rows())
    return Material(interaction_matrix(pairs, shape), corpus.items, texts, held_out, num_threads)


def interaction_matrix(pairs: Iterable[Block], shape: tuple[int, int]) -> csr_matrix:
    """[num_users, num_items] of ones; a pair given twice is one."""
    blocks = [np.zeros((2, 0), np.int32), *(np.stack([block["user_row"], block["item_row"]]) for block in pairs)]
    users, items = np.concatenate(blocks, axis=1)
    matrix = csr_matrix((np.ones(len(users), np.float32), (users, items)), shape)
    matrix.data[:] = 1.0
    return matrix
