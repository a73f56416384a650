"""Put, patch and delete of items and users over a catalogue store: the one way in for HTTP and for commands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import orjson

from cluster.online.catalogue_store import CatalogueStore, Edit, Outcome
from cluster.online.profile_state import profile_state
from models.catalogue_entries import Entry, ItemEntry, Kind, UserEntry, document, entry_of, merged
from models.errors import NotFoundError, StoreError
from models.item_state import ItemState
from models.user_state import EPOCH

_ATTEMPTS = 20
"""Of a patch: so often others may write the same id between its read and its write."""


@dataclass(frozen=True, slots=True)
class Kept:
    """An entry as it is kept; `version`: UTC microseconds of its last change."""

    id: str
    entry: Entry
    version: int


def get(store: CatalogueStore, kind: Kind, id_: str) -> Kept:
    """The entry of an id; `NotFoundError` when there is none."""
    [found] = store.get(kind, [id_])
    if found is None or found.body is None:
        raise _missing(kind, id_)
    return Kept(id_, entry_of(kind, found.body), found.version)


def put(store: CatalogueStore, kind: Kind, entries: Sequence[tuple[str, Entry]]) -> list[Outcome]:
    """Replace the entries, in order; what becomes of each."""
    outcomes = store.write(kind, [edit(id_, entry) for id_, entry in entries])
    return [_must(outcome) for outcome in outcomes]


def patch(store: CatalogueStore, kind: Kind, id_: str, change: object) -> Kept:
    """Merge a patch (RFC 7396) into an entry. `NotFoundError` when there is none, `InputError` when it does not fit."""
    for _ in range(_ATTEMPTS):
        [found] = store.get(kind, [id_])
        if found is None or found.body is None:
            raise _missing(kind, id_)
        entry = merged(kind, found.body, change)
        [outcome] = store.write(kind, [edit(id_, entry, expected=found.version)])
        if outcome is not None:
            return Kept(id_, entry, outcome.version)
    raise StoreError(f"{kind} {id_!r} was written by others {_ATTEMPTS} times meanwhile. Send the patch again.")


def delete(store: CatalogueStore, kind: Kind, ids: Sequence[str]) -> list[Outcome]:
    """Take the ids out, known or not: a bundle may know an item that was never put. Again is a no-op."""
    state = ItemState.of(None).to_bytes() if kind is Kind.ITEM else profile_state(None)
    edits = [Edit(id_, None, state, restricted=kind is Kind.ITEM) for id_ in ids]
    return [_must(outcome) for outcome in store.write(kind, edits)]


def edit(id_: str, entry: Entry, *, expected: int | None = None, quiet: bool = False) -> Edit:
    """The write of an entry. A restricted item is never quiet."""
    if isinstance(entry, UserEntry):
        return Edit(id_, document(entry), profile_state(entry), expected=expected, quiet=quiet)
    assert isinstance(entry, ItemEntry)
    state = ItemState.of(entry)
    quiet = quiet and not state.restricted
    return Edit(id_, document(entry), state.to_bytes(), state.restricted, expected, quiet)


def shown(kind: Kind, kept: Kept) -> dict[str, Any]:
    """The entry as HTTP and commands show it: with its id and the moment of its last change."""
    updated_at = EPOCH + timedelta(microseconds=kept.version)
    return {kind.key: kept.id, **orjson.loads(document(kept.entry)), "updated_at": updated_at}


def _must(outcome: Outcome | None) -> Outcome:
    assert outcome is not None  # no version was expected
    return outcome


def _missing(kind: Kind, id_: str) -> NotFoundError:
    fill = " or fill the store from the lake: shoal warm-store" if kind is Kind.ITEM else ""
    return NotFoundError(f"there is no {kind} {id_!r}. Put it first{fill}.")
