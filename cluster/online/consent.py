"""Consent to personalization: a flag of the user's profile, however it is set, and nothing else.

The store goes by it at every append and every read: of who refuses it keeps the country alone, and it logs their events
without their id.
"""

from __future__ import annotations

from collections.abc import Collection

from cluster.online import catalogue
from cluster.online.store import OnlineStore
from models.catalogue_entries import Kind, UserEntry, entry_of
from models.errors import StoreError

_ATTEMPTS = 20
"""So often others may write the same profile between our read and our write."""


def set_consent(store: OnlineStore, user_ids: Collection[str], personalization: bool) -> int:
    """Set the flag; for how many users that is new. A refusal also takes the attributes out of the profile.

    Who has no profile gets one with the country that is known of them.
    """
    return sum(_set(store, user_id, personalization) for user_id in dict.fromkeys(user_ids))


def _set(store: OnlineStore, user_id: str, personalization: bool) -> bool:
    for _ in range(_ATTEMPTS):
        [found] = store.catalogue.get(Kind.USER, [user_id])
        entry = UserEntry() if found is None or found.body is None else entry_of(Kind.USER, found.body)
        assert isinstance(entry, UserEntry)
        country = entry.country or store.users([user_id])[0].country
        wanted = UserEntry(country=country, attributes=entry.attributes, personalization=personalization)
        expected = found.version if found else 0
        [outcome] = store.catalogue.write(Kind.USER, [catalogue.edit(user_id, wanted, expected=expected)])
        if outcome is not None:
            return bool(entry.personalization is not personalization)
    raise StoreError(f"the profile was written by others {_ATTEMPTS} times meanwhile. Set the consent again.")
