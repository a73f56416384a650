"""A lake that cannot be written: full, read-only or out of reach. One error for it, whatever library met it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from deltalake.exceptions import CommitFailedError, DeltaError

from cluster.delta.refusals import is_refusal
from models.errors import LakeError


@contextmanager
def writing(uri: str) -> Iterator[None]:
    """Around a write to what lies at `uri`. Refused rows stay what they are, as do commits that another came before."""
    try:
        yield
    except (OSError, DeltaError) as error:
        if isinstance(error, CommitFailedError) or is_refusal(error):
            raise
        said = str(error).partition("\n")[0]
        raise LakeError(
            f"{uri} could not be written: {said}. What it held before is whole. See that there is room and that it may "
            "be written to, then do it again."
        ) from error
