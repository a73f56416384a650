"""From what age on an item is meant to be seen, as a filter on its metadata.

`age_rating` is the least age: a number (16), or a text of one (`"16"`, `"16+"`). A user's limit lets pass what is rated
at most that. **What has no rating, or one that says something else, does not pass**: nobody vouched for it.
"""

from __future__ import annotations

from functools import lru_cache

from models.user_state import UserState
from serve_apps.chain.messages import Query

FIELD = "age_rating"
ATTRIBUTE = "max_age_rating"
"""Of a user's profile."""
MAX_AGE = 99


def age_limit(query: Query, user: UserState) -> int | None:
    """The highest rating that may be shown: the lower one of the request's and the profile's; None when neither says.

    A profile's that is no number lets pass only what is for everybody.
    """
    said = user.attributes.get(ATTRIBUTE)
    if said is None:
        return query.max_age_rating
    text = said.removesuffix("+")
    own = min(int(text), MAX_AGE) if text.isascii() and text.isdigit() else 0
    return own if query.max_age_rating is None else min(own, query.max_age_rating)


@lru_cache(MAX_AGE + 1)
def age_filter(limit: int) -> str:
    """The filter of a limit. An item that has several ratings has to pass with each, be it a number or a text."""
    ratings = ", ".join(f'{age}, "{age}", "{age}+"' for age in range(limit + 1))
    return f"{FIELD} ONLY ({ratings})"
