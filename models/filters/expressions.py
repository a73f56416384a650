"""What a filter says, as a tree: comparisons of one field each, joined by AND, OR and NOT."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

Literal = str | float | bool
"""A value in a filter. A moment is its microseconds since 1970, UTC."""


class Operator(StrEnum):
    """How a field is compared with one value."""

    EQUAL = "="
    UNEQUAL = "!="
    LESS = "<"
    AT_MOST = "<="
    MORE = ">"
    AT_LEAST = ">="


@dataclass(frozen=True, slots=True)
class Field:
    """A column of items, or with a path a value inside their `metadata`."""

    column: str
    path: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Compare:
    """`field = value` and the like: true of an item with a value of which it is true; `!=`: with values, none equal."""

    field: Field
    operator: Operator
    value: Literal


@dataclass(frozen=True, slots=True)
class AnyOf:
    """`field ANY (…)`, `field IN (…)`: one of the item's values is in the list."""

    field: Field
    values: tuple[Literal, ...]


@dataclass(frozen=True, slots=True)
class AllOf:
    """`field ALL (…)`: each of the list is a value of the item."""

    field: Field
    values: tuple[Literal, ...]


@dataclass(frozen=True, slots=True)
class Only:
    """`field ONLY (…)`: the item has something there, and nothing, of whatever kind, that is not in the list."""

    field: Field
    values: tuple[Literal, ...]


@dataclass(frozen=True, slots=True)
class Exists:
    """`EXISTS field`: the item has something there, of whatever kind."""

    field: Field


@dataclass(frozen=True, slots=True)
class Not:
    """True where its part is false."""

    part: Expression


@dataclass(frozen=True, slots=True)
class And:
    """True where all parts are."""

    parts: tuple[Expression, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """True where one part is."""

    parts: tuple[Expression, ...]


Comparison = Compare | AnyOf | AllOf | Only | Exists
Expression = Comparison | Not | And | Or


def fields_of(expression: Expression) -> Iterator[Field]:
    """The field of each comparison, from left to right."""
    match expression:
        case Not(part):
            yield from fields_of(part)
        case And(parts) | Or(parts):
            for part in parts:
                yield from fields_of(part)
        case _:
            yield expression.field
