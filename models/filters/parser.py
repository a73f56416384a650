"""From the text of a filter to its expression: names become fields, and values fit them. Nothing is ever evaluated."""

from __future__ import annotations

import math

from models.errors import FilterError
from models.filters.bounds import MAX_DEPTH, check_bounds
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
from models.filters.fields import COLUMNS, OPEN, Fields, Kind, UnknownField
from models.filters.grammar import Comparison, Junction, Name, Negation, Tree, Value, read
from models.filters.times import time_us

_TYPES: dict[Kind, type] = {Kind.TEXT: str, Kind.TIME: str, Kind.NUMBER: float, Kind.FLAG: bool}


def parse(text: str, fields: Fields = OPEN) -> Expression:
    """The expression of a filter, or `FilterError`, and no other error whatever the text is.

    Within 50 ms: at most 2,000 characters, 64 comparisons, 320 values in a list, 16 levels.
    """
    check_bounds(text)
    return _expression(read(text), fields, 0)


def _expression(tree: Tree, fields: Fields, depth: int) -> Expression:
    match tree:
        case Negation(times, part):
            _check_depth(tree, depth + times)
            inner = _expression(part, fields, depth + times)
            for _ in range(times):
                inner = Not(inner)
            return inner
        case Junction(word, parts):
            _check_depth(tree, depth + 1)
            inners = tuple(_expression(part, fields, depth + 1) for part in parts)
            return And(inners) if word == "AND" else Or(inners)
        case Comparison():
            return _comparison(tree, fields)


def _comparison(raw: Comparison, fields: Fields) -> Expression:
    field = _field(raw.name, fields)
    if raw.word == "EXISTS":
        return Exists(field)
    values = tuple(_literal(field, raw.word, value) for value in raw.values)
    if raw.word == "ALL":
        return AllOf(field, values)
    if raw.word == "ONLY":
        return Only(field, values)
    return AnyOf(field, values) if raw.word in ("IN", "ANY") else Compare(field, Operator(raw.word), values[0])


def _field(name: Name, fields: Fields) -> Field:
    try:
        return fields.resolve(name.parts)
    except UnknownField as error:
        near = f"; the nearest is {error.nearest}" if error.nearest else ""
        raise FilterError(name.position, ".".join(name.parts)[:60], f"a field that items have{near}") from None


def _literal(field: Field, word: str, raw: Value) -> Literal:
    value = raw.value
    if isinstance(value, float) and not math.isfinite(value):
        raise FilterError(raw.position, "a number out of range", "one of at most 1.8e308")
    if isinstance(value, bool) and word in ("<", "<=", ">", ">="):
        raise FilterError(raw.position, f"{word} {str(value).lower()}", "= or != before true and false")
    kind = COLUMNS.get(field.column)
    if kind is None:
        return value
    expected = f"{kind}, which is what {field.column} holds"
    if type(value) is not _TYPES[kind]:
        raise FilterError(raw.position, _shown(value), expected)
    if kind is Kind.TIME:
        try:
            return float(time_us(str(value)))
        except ValueError:
            raise FilterError(raw.position, _shown(value), expected) from None
    return value


def _check_depth(tree: Tree, depth: int) -> None:
    if depth > MAX_DEPTH:
        at = _position(tree)
        raise FilterError(at, f"{depth} levels of AND, OR and NOT within one another", f"at most {MAX_DEPTH}")


def _position(tree: Tree) -> int:
    match tree:
        case Negation(_, part):
            return _position(part)
        case Junction(_, parts):
            return _position(parts[0])
        case Comparison(name):
            return name.position


def _shown(value: Literal) -> str:
    if isinstance(value, str):
        return f'the text "{value[:40]}"'
    return f"{value}".lower() if isinstance(value, bool) else f"the number {value:g}"
