"""The ladder: who answers when the full chain cannot, and why it could not. Each answer names both.

    full → without_ranking (of similar items: content) → cached → trending → popular

A rung is stepped down only as far as it must be, and the last one needs nothing but the bundle in memory.
"""

from __future__ import annotations

from enum import StrEnum


class Rung(StrEnum):
    """Who answered instead of the full chain (`fallback` of an answer)."""

    WITHOUT_RANKING = "without_ranking"
    """Retrieval's order."""
    CONTENT = "content"
    """Items that say the same, without what people do with them."""
    CACHED = "cached"
    """What the user's last full answer was chosen from; nothing has happened to them since."""
    TRENDING = "trending"
    """What is trending in the user's country, then everywhere."""
    POPULAR = "popular"
    """The popular items of the bundle, of the country and then of everywhere."""


class Cause(StrEnum):
    """Why (`fallback_cause` of an answer)."""

    PERSONALIZATION_OFF = "personalization_off"
    UNKNOWN_USER = "unknown_user"
    UNKNOWN_ITEM = "unknown_item"
    NOTHING_FOUND = "nothing_found"
    """No item is left that fits: all are seen, or none passes the filter."""
    FILTER_LATE = "filter_late"
    """The filter was not ready in time, which the first one on a field of metadata may be: the row is empty. On no
    rung: only what raises and buries was late, and the row stands without it.
    """
    STORE_UNAVAILABLE = "store_unavailable"
    RETRIEVAL_FAILED = "retrieval_failed"
    RETRIEVAL_LATE = "retrieval_late"
    RANKING_FAILED = "ranking_failed"
    RANKING_LATE = "ranking_late"
    RULES_FAILED = "rules_failed"
    RULES_LATE = "rules_late"
    """On no rung: the row stands without what the rules of its variant or its question would have changed."""
    CHAIN_FAILED = "chain_failed"
    """Something broke on the way that no rung is for; the log tells what."""
    CHAIN_LATE = "chain_late"
    """Nothing came from behind the gateway in time: it answered itself."""
