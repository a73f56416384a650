"""Names of countries: those that the time zone database of this machine lists beside its zones."""

from __future__ import annotations

import zoneinfo
from functools import cache
from pathlib import Path

_LIST = "iso3166.tab"


def country_name(code: str | None) -> str:
    """The English name of an ISO 3166 code; the code itself where nobody lists it, and "" of None."""
    return names().get(code, code) if code else ""


@cache
def names() -> dict[str, str]:
    """Names by code; empty on a machine without the list."""
    for folder in zoneinfo.TZPATH:
        path = Path(folder) / _LIST
        if path.is_file():
            lines = path.read_text(encoding="utf-8").splitlines()
            return dict(line.split("\t")[:2] for line in lines if line and not line.startswith("#"))
    return {}
