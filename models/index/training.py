"""Training the inverted lists: where the items lie, and how one is written in few bytes.

Lists are clusters by Euclidean distance (k-means), chosen at search by the inner product of their centres with the
query. Clusters by angle, the usual ones for inner products, scatter items of large norm over lists that are chosen
late: where norms differ they need two to three times the lists for the same recall.
Jégou, Douze, Schmid, "Product Quantization for Nearest Neighbor Search" (2011), section IV: the inverted file.
"""

from __future__ import annotations

from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from models.index.arrays import Vectors
from models.index.config import Kind, num_lists, pq_bytes
from models.seeds import derive_seed, generator

_SAMPLES_A_LIST = 64
_ROUNDS = 10


def trained(vectors: Vectors, kind: Kind, seed: int) -> tuple[Any, NDArray[np.uint16]]:
    """A `faiss.IndexIVF` of all vectors, and the list of each, [num_items]. One seed and one thread, the same bytes."""
    vectors = np.ascontiguousarray(vectors, np.float32)
    (num_items, dim), lists = vectors.shape, num_lists(len(vectors))
    sample = vectors
    if num_items > lists * _SAMPLES_A_LIST:
        rng = generator(seed, "index", "sample")
        sample = vectors[np.sort(rng.choice(num_items, lists * _SAMPLES_A_LIST, replace=False))]
    centres = _centres(sample, lists, seed)
    quantizer = faiss.IndexFlatIP(dim)
    quantizer.add(centres)
    index = _empty(quantizer, dim, lists, kind)
    index.train(sample)
    nearest = np.ascontiguousarray(faiss.knn(vectors, centres, 1)[1][:, 0])
    index.add_core(num_items, faiss.swig_ptr(vectors), None, faiss.swig_ptr(nearest))
    return index, nearest.astype(np.uint16)


def _centres(sample: Vectors, lists: int, seed: int) -> Vectors:
    """[lists, dim] by k-means."""
    kmeans = faiss.Kmeans(
        sample.shape[1],
        lists,
        niter=_ROUNDS,
        seed=derive_seed(seed, "index", "centres") % (1 << 31),
        min_points_per_centroid=1,
        max_points_per_centroid=_SAMPLES_A_LIST,
    )
    kmeans.train(sample)
    return np.ascontiguousarray(kmeans.centroids, np.float32)


def _empty(quantizer: Any, dim: int, lists: int, kind: Kind) -> Any:
    """Codes are of the vectors themselves, not of what they differ by from their centre: the best are scored again."""
    metric = faiss.METRIC_INNER_PRODUCT
    if kind == "ivf_sq8":
        code = faiss.ScalarQuantizer.QT_8bit
        return faiss.IndexIVFScalarQuantizer(quantizer, dim, lists, code, metric, False)
    index = faiss.IndexIVFPQ(quantizer, dim, lists, pq_bytes(dim), 8, metric)
    index.by_residual = False
    index.pq.cp.niter, index.pq.cp.max_points_per_centroid = _ROUNDS, _SAMPLES_A_LIST
    return index
