"""Users folded into a matrix factorisation from their history, exactly and on the fly.

Hu, Koren, Volinsky, "Collaborative Filtering for Implicit Feedback Datasets" (2008), section 4: with item factors Y
fixed, a user's vector is the ridge solution

    x = (YᵀY + (c − 1) HᵀH + λ_u I)⁻¹ c Hᵀ1

where H are the factors of their items and c is the confidence in an event. λ_u grows with the length of the history
(Rendle et al., "Revisiting the Performance of iALS on Item Recommendation Benchmarks", 2022, section 3.3).
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from models.errors import BundleError
from models.features import UserBatch
from models.index import VectorIndex, Vectors
from models.retrievers.arrays import load_arrays, save_arrays
from models.retrievers.history import distinct_items

SETTINGS_FILE = "als.json"
ARRAYS_FILE = "als.safetensors"
_CHUNK_FLOATS = 1 << 22


@dataclass(frozen=True, slots=True)
class AlsSettings:
    """`alpha`: an event weighs 1 + alpha, its absence 1. `regularization`: of one event, see `ridge`."""

    alpha: float
    regularization: float

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
        items, lengths = distinct_items(users.history)
        vectors = np.zeros((len(users), len(self._spectrum)), np.float32)
        order = np.argsort(lengths, kind="stable")
        start = int(np.searchsorted(lengths[order], 1))
        while start < len(order):
            # Users of like length share one batch of systems, so that little of it is padding.
            width = min(2 * int(lengths[order[start]]), items.shape[1])
            size = max(_CHUNK_FLOATS // (width * max(min(width, vectors.shape[1]), vectors.shape[1])), 1)
            stop = min(int(np.searchsorted(lengths[order], width, side="right")), start + size)
            part = order[start:stop]
            vectors[part] = self._solve(items[part, : int(lengths[part].max())], lengths[part])
            start = stop
        return vectors

    def _solve(self, items: NDArray[np.int32], lengths: NDArray[np.int64]) -> Vectors:
        """Solutions for [batch, longest] items. With D = YᵀY + λ_u I and J = H D^-½ two forms of one system remain:

        x = c D^-½ Jᵀ (I + (c − 1) J Jᵀ)⁻¹ 1 = c D^-½ (I + (c − 1) Jᵀ J)⁻¹ Jᵀ 1; the smaller one is solved.
        """
        alpha, (num_users, longest) = self._settings.alpha, items.shape
        ridge = self._settings.ridge(lengths, len(self._index))
        scale = (1.0 / np.sqrt(self._spectrum + ridge[:, None])).astype(np.float32)
        held = (np.arange(longest) < lengths[:, None]).astype(np.float32)
        factors = self._index.vectors(np.maximum(items, 0).astype(np.int64).ravel()).reshape(num_users, longest, -1)
        factors *= scale[:, None, :] * held[:, :, None]
        across = factors.transpose(0, 2, 1)
        if longest <= len(self._spectrum):
            system = np.eye(longest, dtype=np.float32) + np.float32(alpha) * (factors @ across)
            solved = (across @ np.linalg.solve(system, held[:, :, None]))[:, :, 0]
        else:
            system = np.eye(len(self._spectrum), dtype=np.float32) + np.float32(alpha) * (across @ factors)
            solved = np.linalg.solve(system, factors.sum(axis=1)[:, :, None])[:, :, 0]
        return np.asarray((1 + alpha) * scale * solved, np.float32)


def turned(factors: Vectors) -> tuple[Vectors, NDArray[np.float32]]:
    """[num_items, dim] factors in the basis in which their Gram matrix is diagonal, and that diagonal, [dim]."""
    wide = factors.astype(np.float64)
    spectrum, basis = np.linalg.eigh(wide.T @ wide)
    return (wide @ basis).astype(np.float32), np.maximum(spectrum, 0).astype(np.float32)
