"""E-mail addresses of a users file: taken out of its columns, checked, and sealed before they are written anywhere.

Between reading and sealing an address travels in the column `email_encrypted`. It is sealed by the one process that
writes users, because two that make a key for one user would each undo the other's.
"""

from __future__ import annotations

import polars as pl

from cluster.online.store import open_store
from cluster.privacy.emails import seal_emails
from cluster.privacy.keys import load_keys
from cluster.settings import Settings
from models.privacy import EMAIL, is_email, is_email_name

SEALED = "email_encrypted"
_LETTER = r"""[^@\s,;:|"'<>()\[\]{}]"""
_IN_TEXT = rf"{_LETTER}+@{_LETTER}+\.{_LETTER}+"


def with_email_named(frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with its first column of addresses (`E-Mail`, `mail`, …) called `email`, and without any other."""
    found = [name for name in frame.columns if is_email_name(name)]
    if not found:
        return frame
    first = EMAIL if EMAIL in found else found[0]
    return frame.drop([name for name in found if name != first]).rename({first: EMAIL})


def masked(name: str) -> pl.Expr:
    """The text column `name` without the addresses in it."""
    return pl.col(name).str.replace_all(_IN_TEXT, "(e-mail)")


def bad_email(values: pl.Series) -> pl.Series:
    """What is wrong with each address, or null; never the address itself."""
    wrong = [None if value is None or is_email(value) else f"{EMAIL}: is no address" for value in values]
    return pl.Series(values.name, wrong, dtype=pl.String)


def sealed(users: pl.DataFrame) -> pl.DataFrame:
    """Rows of the users table with their addresses sealed; the store that the settings name keeps the keys."""
    given = users.filter(pl.col(SEALED).is_not_null())
    if given.is_empty():
        return users
    store = open_store(Settings().store_url)
    texts = seal_emails(store, load_keys(), dict(zip(given["user_id"], given[SEALED], strict=True)))
    store.close()
    known = [texts.get(user_id) for user_id in users["user_id"]]
    return users.with_columns(pl.Series(SEALED, known, dtype=pl.String))
