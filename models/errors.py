"""Every error Shoal raises on purpose.

    ShoalError
    ├── InputError (ValueError)   the caller's mistake: what was wrong, what was seen, what to do
    │   ├── ConfigError           an unknown key or a value outside its range
    │   ├── FilterError           a filter that cannot be read
    │   └── SchemaError           columns or types that do not fit a contract
    ├── BundleError               a bundle that is incomplete, altered, or of another feature spec
    ├── NotFoundError             a version, table or run that does not exist
    ├── DivergenceError           a training run whose loss or weights are not numbers any more
    ├── DiskFullError             a file that could not be written whole for want of room
    ├── IndexFullError            more items were added to an index than it takes between two publications
    ├── StreamError               a broker did not answer, or refused us
    └── StoreError                the online store did not answer, or refused a write

`assert` is kept for our own invariants; anything a user can cause is one of these.
"""

from __future__ import annotations


class ShoalError(Exception):
    """Base of every deliberate error; a command prints it and exits with 2."""


class InputError(ShoalError, ValueError):
    """The caller's mistake. The message says what was wrong, what was seen and what to do."""


class ConfigError(InputError):
    """A configuration key that does not exist, or a value that does not fit."""


class FilterError(InputError):
    """A filter that cannot be read: where (`position`, characters from 0), what was seen, what was expected."""

    def __init__(self, position: int, seen: str, expected: str) -> None:
        super().__init__(position, seen, expected)
        self.position, self.seen, self.expected = position, seen, expected

    def __str__(self) -> str:
        return f"filter, position {self.position}: got {self.seen}, expected {self.expected}."


class SchemaError(InputError):
    """Columns or types that do not fit a table's contract."""


class BundleError(ShoalError):
    """A bundle that must not be served: incomplete, altered, or built for another feature spec."""


class NotFoundError(ShoalError, LookupError):
    """A version, table or run that does not exist."""


class DivergenceError(ShoalError):
    """A loss or a weight is NaN or infinite. Going on would not mend it: the settings must change."""


class DiskFullError(ShoalError):
    """There was no room for a file. What was written before is whole."""


class LakeError(ShoalError):
    """The lake cannot be written. What was acknowledged is in the log; what was read is where it was read from."""


class IndexFullError(ShoalError):
    """No more items fit beside the published index. What was added stays; a new bundle makes room."""


class StreamError(ShoalError):
    """No broker answers, or it refuses us. What was acknowledged is safe; what was not is delivered again."""


class StoreError(ShoalError):
    """The online store did not answer, or refused a write. Whether it was taken is unknown: repeat it."""
