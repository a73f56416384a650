"""Random items, random filters, and what a filter means, written without looking at how it is done."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

Case = tuple[Any, ...]
"""("and" | "or", *cases), ("not", case), ("exists", name) or (operator, name, values)."""

_WORDS = st.sampled_from(["", "A", "B", "a", "Ø", "😀", 'q"\\', "10"])
_NUMBERS = st.sampled_from([0, -1, 2, 2.5, 10, 1e9])
_SCALARS = st.one_of(_WORDS, _NUMBERS, st.booleans(), st.none())
_VALUES = st.one_of(_SCALARS, st.lists(_SCALARS, max_size=3), st.lists(st.lists(_SCALARS, max_size=2), max_size=2))
_STUDIOS = st.dictionaries(st.sampled_from(["name", "in"]), _VALUES, max_size=2)
_METADATA = st.fixed_dictionaries(
    {},
    optional={
        "year": _VALUES,
        "studio": st.one_of(_STUDIOS, st.lists(_STUDIOS, max_size=2), _SCALARS),
        "title": _VALUES,
        "box office": _VALUES,
    },
)
_TIMES = ["2026-01-31", "2026-02-01", "2026-01-31T12:00:00Z", "2026-02-01T01:00:00+03:00"]
_ITEMS = st.fixed_dictionaries(
    {},
    optional={
        "title": st.one_of(_WORDS, st.none()),
        "categories": st.one_of(st.lists(_WORDS, max_size=3), st.none()),
        "released_at": st.sampled_from(_TIMES),
        "expires_at": st.sampled_from(_TIMES[2:]),
        "available": st.sampled_from([True, False, None]),
        "num_interactions": st.integers(0, 3),
        "metadata": st.one_of(_METADATA, st.none()),
    },
)
ITEMS = st.lists(_ITEMS, max_size=6).map(
    lambda items: [{"item_id": f"i{row}", **item} for row, item in enumerate(items)]
)

PATHS = {
    "item_id": ("item_id",),
    "title": ("title",),
    "categories": ("categories",),
    "released_at": ("released_at",),
    "expires_at": ("expires_at",),
    "available": ("available",),
    "num_interactions": ("num_interactions",),
    "year": ("metadata", "year"),
    "metadata.title": ("metadata", "title"),
    "studio": ("metadata", "studio"),
    "studio.name": ("metadata", "studio", "name"),
    "metadata.studio.in": ("metadata", "studio", "in"),
    'metadata."box office"': ("metadata", "box office"),
    "nowhere": ("metadata", "nowhere"),
}
_TEXTS = st.one_of(_WORDS, st.sampled_from(["i0", "i1"]))
_LITERALS = {
    "item_id": _TEXTS,
    "title": _TEXTS,
    "categories": _TEXTS,
    "released_at": st.sampled_from(_TIMES),
    "expires_at": st.sampled_from(_TIMES),
    "available": st.booleans(),
    "num_interactions": _NUMBERS,
}


@st.composite
def _comparisons(draw: st.DrawFn) -> Case:
    name = draw(st.sampled_from(sorted(PATHS)))
    literals = _LITERALS.get(name, st.one_of(_WORDS, _NUMBERS, st.booleans()))
    how = draw(st.sampled_from(["exists", "in", "any", "all", "only", "=", "!=", "<", "<=", ">", ">="]))
    if how == "exists":
        return ("exists", name)
    if how in ("in", "any", "all", "only"):
        return (how, name, draw(st.lists(literals, min_size=1, max_size=3)))
    value = draw(literals)
    return ("=" if isinstance(value, bool) and how[0] in "<>" else how, name, [value])


CASES = st.recursive(
    _comparisons(),
    lambda inner: st.one_of(
        st.tuples(st.just("not"), inner),
        st.tuples(st.sampled_from(["and", "or"]), inner, inner),
        st.tuples(st.sampled_from(["and", "or"]), inner, inner, inner),
    ),
    max_leaves=6,
)


def text_of(case: Case) -> str:
    """The case in the language of filters."""
    match case:
        case ("not", inner):
            return f"NOT ({text_of(inner)})"
        case ("and" | "or" as word, *parts):
            return f" {word.upper()} ".join(f"({text_of(part)})" for part in parts)
        case ("exists", name):
            return f"EXISTS {name}"
        case ("in" | "any" | "all" | "only" as word, name, values):
            return f"{name} {word.upper()} ({', '.join(map(json.dumps, values))})"
        case (operator, name, [value]):
            return f"{name} {operator} {json.dumps(value)}"
    raise AssertionError(case)


def passes(case: Case, item: dict[str, Any]) -> bool:
    """What the language means, one item at a time."""
    match case:
        case ("not", inner):
            return not passes(inner, item)
        case ("and", *parts):
            return False not in [passes(part, item) for part in parts]
        case ("or", *parts):
            return True in [passes(part, item) for part in parts]
        case ("exists", name):
            return bool(_values(name, item))
    how, name, literals = case
    return _holds(how, _values(name, item), [_literal(name, value) for value in literals])


def _holds(how: str, values: list[Any], literals: list[Any]) -> bool:
    pairs = {id(one): [value for value in values if _kind(value) == _kind(one)] for one in literals}
    if how in ("in", "any"):
        return any(one in pairs[id(one)] for one in literals)
    if how == "only":
        return values != [] and all(any(_kind(v) == _kind(one) and v == one for one in literals) for v in values)
    if how == "all":
        return all(one in pairs[id(one)] for one in literals)
    (literal,) = literals
    same = pairs[id(literal)]
    match how:
        case "=":
            return literal in same
        case "!=":
            return same != [] and literal not in same
        case "<":
            return any(value < literal for value in same)
        case "<=":
            return any(value <= literal for value in same)
        case ">":
            return any(value > literal for value in same)
    return any(value >= literal for value in same)


def _values(name: str, item: dict[str, Any]) -> list[Any]:
    if name == "available":
        return [item.get("available") is not False]
    return [_literal(name, value, lake=True) for value in _found(item, PATHS[name])]


def _found(value: Any, path: tuple[str, ...]) -> list[Any]:
    if isinstance(value, list):
        return [leaf for part in value for leaf in _found(part, path)]
    if value is None:
        return []
    if not path:
        return [value]
    return _found(value[path[0]], path[1:]) if isinstance(value, dict) and path[0] in value else []


def _literal(name: str, value: Any, lake: bool = False) -> Any:
    """Times as moments; those of release, of items, cut to their day as the lake has it."""
    if name not in ("released_at", "expires_at"):
        return value
    moment = datetime.fromisoformat(value)
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    if lake and name == "released_at":
        moment = moment.replace(hour=0, minute=0, second=0)
    return moment


def _kind(value: Any) -> type:
    return float if type(value) is int else type(value)
