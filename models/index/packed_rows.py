"""Which rows a search may return, as it crosses a hop: the fewest bytes that say it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from models.index.selection import Allowed, Mask

Form = Literal["rows", "others", "bits"]
_BYTES_A_ROW = 4


@dataclass(frozen=True, slots=True)
class PackedRows:
    """`rows`: four bytes for each that is allowed; `others`: for each that is not; `bits`: a bit for each of all.

    Of 1,000,000 rows that is 4 kB where 1,000 are allowed, or all but 1,000, and 125 kB at most. `digest` names the
    content, so that who has unpacked it once need not again; `share` is that of the rows that are allowed.
    """

    num_rows: int
    form: Form
    data: bytes = field(repr=False)
    digest: bytes
    share: float

    @classmethod
    def of(cls, mask: Mask) -> PackedRows:
        """Of [num_rows] booleans."""
        num_rows, num_allowed = len(mask), int(np.count_nonzero(mask))
        bits = -(-num_rows // 8)
        form: Form
        if min(num_allowed, num_rows - num_allowed) * _BYTES_A_ROW >= bits:
            form, data = "bits", np.packbits(mask, bitorder="little").tobytes()
        elif num_allowed <= num_rows - num_allowed:
            form, data = "rows", np.flatnonzero(mask).astype(np.uint32).tobytes()
        else:
            form, data = "others", np.flatnonzero(~mask).astype(np.uint32).tobytes()
        digest = hashlib.blake2b(f"{num_rows} {form} ".encode() + data, digest_size=16).digest()
        return cls(num_rows, form, data, digest, num_allowed / max(num_rows, 1))

    def allowed(self) -> Allowed:
        """For any number of searches."""
        if self.form == "bits":
            packed = np.frombuffer(self.data, np.uint8)
            return Allowed(np.unpackbits(packed, count=self.num_rows, bitorder="little").astype(np.bool_))
        mask = np.full(self.num_rows, self.form == "others", np.bool_)
        mask[np.frombuffer(self.data, np.uint32)] = self.form == "rows"
        return Allowed(mask)
