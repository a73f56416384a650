"""Named arrays on disk for retrievers that are no nets: safetensors, read without torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from models.errors import BundleError

Arrays = Mapping[str, NDArray[Any]]


def save_arrays(path: Path, arrays: Arrays) -> None:
    """Write the arrays under their names."""
    save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, path)


def load_arrays(path: Path) -> Arrays:
    """The arrays by name; `BundleError` when the file is not whole."""
    try:
        found: Arrays = load_file(path)
    except SafetensorError as error:
        raise BundleError(f"arrays {path.name} are unreadable. Publish the bundle again.") from error
    return found
