"""Whether one item passes a filter. A comparison with what an item has not is false, and so the NOT of it is true."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any

from models.filters.expressions import (
    AllOf,
    And,
    AnyOf,
    Compare,
    Exists,
    Expression,
    Field,
    Literal,
    Not,
    Only,
    Operator,
    Or,
)
from models.filters.item_values import comparable, values_of

_ORDERED: dict[Operator, Callable[[Any, Any], bool]] = {
    Operator.LESS: operator.lt,
    Operator.AT_MOST: operator.le,
    Operator.MORE: operator.gt,
    Operator.AT_LEAST: operator.ge,
}


def matches(expression: Expression, item: Mapping[str, Any]) -> bool:
    """True when the item passes: a document of the catalogue (`models/catalogue_entries.py`) with its `item_id`.

    What `mask` says of the same item. Only values of the kind that the filter names count: `year = 2000` is false of
    "2000".
    """
    match expression:
        case And(parts):
            return all(matches(part, item) for part in parts)
        case Or(parts):
            return any(matches(part, item) for part in parts)
        case Not(part):
            return not matches(part, item)
        case Exists(field):
            return bool(values_of(field, item))
        case AnyOf(field, values):
            return any(value in _of_kind(field, item, value) for value in values)
        case AllOf(field, values):
            return all(value in _of_kind(field, item, value) for value in values)
        case Only(field, values):
            kinds = {(type(value), value) for value in values}
            found = [comparable(value) for value in values_of(field, item)]
            return bool(found) and all((type(one), one) in kinds for one in found)
        case Compare(field, how, value):
            return _compares(_of_kind(field, item, value), how, value)


def _compares(held: list[Literal], how: Operator, value: Literal) -> bool:
    if how is Operator.EQUAL:
        return value in held
    if how is Operator.UNEQUAL:
        return bool(held) and value not in held
    return any(_ORDERED[how](one, value) for one in held)


def _of_kind(field: Field, item: Mapping[str, Any], value: Literal) -> list[Literal]:
    """The item's values of the kind of `value`: a flag is no number, whatever Python says."""
    found = map(comparable, values_of(field, item))
    return [one for one in found if one is not None and type(one) is type(value)]
