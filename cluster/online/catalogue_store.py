"""Items and users as they were put, beside the event log: documents, and a log of what changed.

Each document has a version, the microsecond of its last write, made strictly increasing. The change log is the
documents themselves in order of version: an id is in it once, at its newest, so it never outgrows the catalogue and is
never trimmed. A reader that went on from the version it knew has seen everything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from models.catalogue_entries import Kind

Status = Literal["created", "updated", "unchanged"]


@dataclass(frozen=True, slots=True)
class Document:
    """What is kept of one id. `body` None: it was deleted. The body of a user is personal data."""

    id: str
    version: int
    body: bytes | None


@dataclass(frozen=True, slots=True)
class Change:
    """One entry of the change log: the newest state of an id, and the version at which it changed."""

    id: str
    version: int
    state: bytes


@dataclass(frozen=True, slots=True)
class Edit:
    """One write. `state` is what answers read, `restricted` that they have to.

    `expected`: write only where this version is kept, 0 for none. `quiet`: out of the change log, for what came from
    the lake, is news to nobody and restricts nothing.
    """

    id: str
    body: bytes | None
    state: bytes
    restricted: bool = False
    expected: int | None = None
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of an edit. `version`: that of the document now. `existed`: it was there and not deleted."""

    version: int
    existed: bool
    changed: bool

    @property
    def status(self) -> Status:
        """In a word."""
        if not self.changed:
            return "unchanged"
        return "updated" if self.existed else "created"


class CatalogueStore(Protocol):
    """Both back ends pass the same suite (`tests/cluster/online/catalogue_suite.py`).

    Every method raises `StoreError` when the store cannot answer. A write that raised may still have been taken: the
    same write again changes nothing. Safe to share between threads.
    """

    def get(self, kind: Kind, ids: Sequence[str]) -> list[Document | None]:
        """The documents in order; None where nothing was ever written."""

    def write(self, kind: Kind, edits: Sequence[Edit]) -> list[Outcome | None]:
        """Write in order, each edit in one atomic step; None where `expected` was not met.

        Durable when it returns. A body that is there already is left alone, with its version. Deleting a user also
        takes away the country and the attributes that the online store keeps.
        """

    def changes(self, kind: Kind, after: int, limit: int, *, restricted: bool = False) -> list[Change]:
        """Changes with a version above `after`, in order; `restricted`: only those that are restricted now."""

    def horizon(self, kind: Kind, num: int) -> int:
        """The version behind which the newest `num` changes lie."""

    def version(self, kind: Kind) -> int:
        """Version of the newest change; 0 before the first."""
