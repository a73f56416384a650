"""Every random choice derives from one seed, so that a run can be repeated."""

from __future__ import annotations

import hashlib

import numpy as np


def derive_seed(seed: int, *scope: object) -> int:
    """A 63-bit seed for one purpose: `derive_seed(seed, "negatives", epoch, rank)`."""
    text = "\x1f".join(str(part) for part in (seed, *scope))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def generator(seed: int, *scope: object) -> np.random.Generator:
    """A NumPy generator for one purpose."""
    return np.random.default_rng(derive_seed(seed, *scope))
