"""Jagged features as the KeyedJaggedTensor that TorchRec's look-ups take."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torchrec import KeyedJaggedTensor

from models.ragged import Jagged


def to_kjt(features: Mapping[str, Jagged], keys: Sequence[str], batch: int) -> KeyedJaggedTensor:
    """All `keys` in order; a key that `features` lacks is empty for each of the `batch` examples."""
    empty = Jagged(np.zeros(0, np.int64), np.zeros(batch, np.int32))
    columns = [features.get(key, empty) for key in keys]
    return KeyedJaggedTensor.from_lengths_sync(
        keys=list(keys),
        values=torch.from_numpy(np.concatenate([c.values for c in columns])),
        lengths=torch.from_numpy(np.concatenate([c.lengths for c in columns])),
    )
