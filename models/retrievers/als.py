"""Users folded into a matrix factorisation from their history, exactly and on the fly.

Hu, Koren, Volinsky, "Collaborative Filtering for Implicit Feedback Datasets" (2008), section 4: with item factors Y
fixed, a user's vector is the ridge solution

    x = (YᵀY + (c − 1) HᵀWH + λ_u I)⁻¹ c HᵀW1

where H are the factors of their items, c is the confidence in an event and W the weights of the events: all 1 in the
paper, less for older ones where a recency is set. λ_u grows with the length of the history
(Rendle et al., "Revisiting the Performance of iALS on Item Recommendation Benchmarks", 2022, frequency-scaled
regularization).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from models.errors import BundleError
from models.features import UserBatch
from models.index.arrays import Vectors
from models.index.vector_index import VectorIndex
from models.retrievers.arrays import load_arrays, save_arrays
from models.retrievers.history import weighted_items

SETTINGS_FILE = "als.json"
ARRAYS_FILE = "als.safetensors"
_CHUNK_FLOATS = 1 << 22


@dataclass(frozen=True, slots=True)
class AlsSettings:
    """`alpha`: an event weighs 1 + alpha, its absence 1. `regularization`: of one event, see `ridge`.

    `recency_half_life`: when folding in, an event's weight halves every so many events before the newest; 0: never.
    """

    alpha: float
    regularization: float
    recency_half_life: float = 0.0

    def ridge(self, num_events: NDArray[np.int64], num_others: int) -> NDArray[np.float64]:
        """λ of rows with so many events among `num_others` columns: regularization × what the row's loss sums over."""
        summed = num_events.astype(np.float64) + num_others / self.alpha
        return self.regularization * (1 + self.alpha) * summed


class FoldIn:
    """A `UserEncoder`: the ridge solution over the distinct items of a history; zero for an empty one.

    The index holds factors turned so that YᵀY is diagonal (`turned`); `spectrum` is its diagonal.
    """

    def __init__(self, index: VectorIndex, spectrum: NDArray[np.float32], settings: AlsSettings) -> None:
        self._index, self._spectrum, self._settings = index, spectrum, settings

    @classmethod
    def load(cls, folder: Path, index: VectorIndex) -> FoldIn:
        """Read `als.json` and `als.safetensors`."""
        settings = AlsSettings(**json.loads((folder / SETTINGS_FILE).read_bytes()))
        spectrum = load_arrays(folder / ARRAYS_FILE)["spectrum"]
        if spectrum.shape != (index.dim,):
            raise BundleError(
                f"{ARRAYS_FILE} is for {len(spectrum)} factors; the index has {index.dim}. Publish it again."
            )
        return cls(index, spectrum, settings)

    def save(self, folder: Path) -> None:
        """Write `als.json` and `als.safetensors`."""
        (folder / SETTINGS_FILE).write_text(json.dumps(asdict(self._settings), indent=2, sort_keys=True))
        save_arrays(folder / ARRAYS_FILE, {"spectrum": self._spectrum})

    def encode(self, users: UserBatch) -> Vectors:
        """[batch, dim]."""
        history = weighted_items(users.history, len(self._index), self._settings.recency_half_life)
        lengths = np.diff(history.indptr).astype(np.int64)
        vectors = np.zeros((len(users), self._index.dim), np.float32)
        order = np.argsort(lengths, kind="stable")
        start = int(np.searchsorted(lengths[order], 1))
        while start < len(order):
            # Users of like length share one batch of systems, so that little of it is padding.
            width = 2 * int(lengths[order[start]])
            size = max(_CHUNK_FLOATS // (width * self._index.dim), 1)
            stop = min(int(np.searchsorted(lengths[order], width, side="right")), start + size)
            part = order[start:stop]
            vectors[part] = self._solve(history[part], lengths[part])
            start = stop
        return vectors

    def _solve(self, history: csr_matrix, lengths: NDArray[np.int64]) -> Vectors:
        """Solutions for [batch, num_items]. With D = YᵀY + λ_u I and J = W^½ H D^-½ two forms of one system remain:

        x = c D^-½ Jᵀ (I + (c − 1) J Jᵀ)⁻¹ W^½ 1 = c D^-½ (I + (c − 1) Jᵀ J)⁻¹ Jᵀ W^½ 1; the smaller one is solved.
        """
        alpha, (num_users, longest) = self._settings.alpha, (len(lengths), int(lengths.max()))
        scale = 1.0 / np.sqrt(self._spectrum + self._settings.ridge(lengths, self._index.num_published)[:, None])
        held = np.arange(longest) < lengths[:, None]
        items, roots = np.zeros(held.shape, np.int64), np.zeros(held.shape, np.float32)
        items[held], roots[held] = history.indices, np.sqrt(history.data)
        factors = self._index.vectors(items.ravel()).reshape(num_users, longest, -1)
        factors *= scale.astype(np.float32)[:, None, :] * roots[:, :, None]
        across = factors.transpose(0, 2, 1)
        if longest <= self._index.dim:
            system = np.eye(longest, dtype=np.float32) + np.float32(alpha) * (factors @ across)
            solved = across @ np.linalg.solve(system, roots[:, :, None])
        else:
            system = np.eye(self._index.dim, dtype=np.float32) + np.float32(alpha) * (across @ factors)
            solved = np.linalg.solve(system, across @ roots[:, :, None])
        return np.asarray((1 + alpha) * scale * solved[:, :, 0], np.float32)


def turned(factors: Vectors) -> tuple[Vectors, NDArray[np.float32]]:
    """[num_items, dim] factors in the basis in which their Gram matrix is diagonal, and that diagonal, [dim]."""
    wide = factors.astype(np.float64)
    spectrum, basis = np.linalg.eigh(wide.T @ wide)
    return (wide @ basis).astype(np.float32), np.maximum(spectrum, 0).astype(np.float32)
