"""What an answer reads of a user's profile, as the catalogue keeps it, and how it stands above the rest."""

from __future__ import annotations

from dataclasses import replace

import orjson

from cluster.online.store import OnlineUser
from models.catalogue_entries import UserEntry
from models.profiles import parse_attributes


def profile_state(entry: UserEntry | None) -> bytes:
    """Country, attributes as `models/profiles.py` has them, consent; None is a deleted profile."""
    if entry is None:
        return orjson.dumps((None, {}, None))
    parsed = parse_attributes(orjson.dumps(entry.attributes).decode())
    return orjson.dumps((entry.country, parsed, entry.personalization))


def with_profile(user: OnlineUser, state: bytes | None) -> OnlineUser:
    """The user as the profile says. Only a country that it leaves open comes from elsewhere; None: no profile."""
    if state is None:
        return user
    country, attributes, personalization = orjson.loads(state)
    country = country or user.country
    if personalization is False:
        return OnlineUser(country=country, personalization=False, erased=user.erased)
    return replace(user, country=country, attributes=attributes, personalization=personalization)


def refuses(state: bytes) -> bool:
    """True when the profile refuses personalization."""
    return orjson.loads(state)[2] is False
