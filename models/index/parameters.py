"""FAISS's parameters of a search. Its type stubs have the constructors of C++, not those that Python adds."""

from __future__ import annotations

from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

_FAISS: Any = faiss


def selector(bits: NDArray[np.uint8] | None) -> Any:
    """Lets through the rows whose bit is set; None lets all through."""
    return None if bits is None else _FAISS.IDSelectorBitmap(bits)


def flat(selected: Any) -> Any:
    """Of a flat index."""
    return _FAISS.SearchParameters(sel=selected)


def inverted(nprobe: int, selected: Any) -> Any:
    """Of inverted lists, `nprobe` of which are read."""
    return _FAISS.SearchParametersIVF(nprobe=nprobe, sel=selected)
