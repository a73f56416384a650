"""The values that one item has in a field. An item is a dict like the catalogue's document, and its `item_id`.

A field has none, one or several values: null is none, a list has those of its elements, and so on inward, so that
`cast.name` of `{"cast": [{"name": "Ann"}, {"name": "Bo"}]}` has two.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from models.filters.expressions import Field, Literal
from models.filters.fields import METADATA
from models.filters.times import day_us, time_us

_READ = {"released_at": day_us, "updated_at": time_us, "expires_at": time_us}


def values_of(field: Field, item: Mapping[str, Any]) -> list[Any]:
    """All values in a field: texts, numbers, flags, and objects, which compare with nothing but are there."""
    if field.column == METADATA:
        return leaves(item.get(METADATA), field.path)
    if field.column == "available":
        return [item.get("available") is not False]
    found = leaves(item.get(field.column), ())
    read = _READ.get(field.column)
    return found if read is None else [read(text) for text in found]


def leaves(document: Any, path: Sequence[str]) -> list[Any]:
    """What lies at the end of a path through nested objects and lists, without the nulls."""
    value = document
    for name in path:
        if type(value) is not dict:
            break
        value = value.get(name)
    else:
        if type(value) is not list:  # objects all the way, as in most documents
            return [] if _is_nothing(value) else [value]
    found = _flat([document])
    for name in path:
        found = _flat([value[name] for value in found if isinstance(value, Mapping) and name in value])
    return [value for value in found if not _is_nothing(value)]


def comparable(value: Any) -> Literal | None:
    """The value as filters compare it: numbers as 64-bit floats; None for an object."""
    if isinstance(value, str | bool):
        return value
    return float(value) if isinstance(value, int | float) else None


def _flat(values: list[Any]) -> list[Any]:
    """The elements of lists, and of lists in them, in their order."""
    flat: list[Any] = []
    waiting = values[::-1]
    while waiting:
        value = waiting.pop()
        if type(value) is list:
            waiting.extend(reversed(value))
        else:
            flat.append(value)
    return flat


def _is_nothing(value: Any) -> bool:
    """Null, and the numbers that JSON has not."""
    return value is None or (type(value) is float and not math.isfinite(value))
