"""Whether the lake refused what it was given, or could not be reached: the one needs other rows, the other patience."""

from __future__ import annotations

import pyarrow as pa
from deltalake.exceptions import DeltaError, SchemaMismatchError

from models.errors import InputError

_INVALID = "Invalid data found"
"""How Delta begins what it says of a row that a constraint of the table, or a null, keeps out. It has no class for it,
and a network that fails is a `DeltaError` too: what is not surely a refusal is none."""
_LONGEST_REASON = 300


def is_refusal(error: Exception) -> bool:
    """True when the same rows will be refused again: a type, a null or a constraint of the table."""
    if isinstance(error, SchemaMismatchError | pa.ArrowInvalid | pa.ArrowTypeError | InputError | TypeError):
        return True
    return isinstance(error, DeltaError) and _INVALID in str(error)


def reason_of(error: Exception) -> str:
    """What was wrong, without the preview of the rows that Delta adds: those may be personal data."""
    first_line = str(error).partition("\n")[0]
    return f"{type(error).__name__}: {first_line}"[:_LONGEST_REASON]
