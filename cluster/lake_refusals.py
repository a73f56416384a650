"""Whether the lake refused what it was given, or could not be reached: the one needs other rows, the other patience."""

from __future__ import annotations

import pyarrow as pa
from deltalake.exceptions import CommitFailedError, DeltaError, TableNotFoundError

from models.errors import InputError


def is_refusal(error: Exception) -> bool:
    """True when the same rows will be refused again: a type, a null or a constraint of the table."""
    if isinstance(error, CommitFailedError | TableNotFoundError):
        return False
    return isinstance(error, DeltaError | pa.ArrowException | InputError | TypeError)
