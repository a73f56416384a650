"""Which items of a whole catalogue pass a filter: passes of NumPy over columns, no item looked at alone."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from models.filters.column import Column
from models.filters.column_values import Mask
from models.filters.expressions import (
    AllOf,
    And,
    AnyOf,
    Compare,
    Comparison,
    Exists,
    Expression,
    Field,
    Literal,
    Not,
    Only,
    Operator,
    Or,
    fields_of,
)
from models.filters.item_columns import ItemColumns


def mask(expression: Expression, columns: ItemColumns) -> Mask:
    """For each item in row order whether it passes, [num_items] and new: what `matches` says of each."""
    return _mask(expression, columns.columns(fields_of(expression)))


def _mask(expression: Expression, columns: Mapping[Field, Column]) -> Mask:
    match expression:
        case Not(part):
            passes = _mask(part, columns)
            return np.logical_not(passes, out=passes)
        case And(parts):
            passes = _mask(parts[0], columns)
            for part in parts[1:]:
                passes &= _mask(part, columns)
            return passes
        case Or(parts):
            passes = _mask(parts[0], columns)
            for part in parts[1:]:
                passes |= _mask(part, columns)
            return passes
        case _:
            return _compared(expression, columns[expression.field])


def _compared(comparison: Comparison, column: Column) -> Mask:
    match comparison:
        case Exists():
            return column.present.copy()
        case Only(_, values):
            passes = column.present.copy()
            if column.objects is not None:
                passes &= ~column.objects
            for kind, held in column.values.items():
                passes &= ~held.others([value for value in values if type(value) is kind])
            return passes
        case Compare(_, operator, value):
            return _compare(column, operator, value)
        case AllOf(_, values):
            passes = _compare(column, Operator.EQUAL, values[0])
            for value in values[1:]:
                passes &= _compare(column, Operator.EQUAL, value)
            return passes
        case AnyOf(_, values):
            passes = np.zeros(len(column.present), np.bool_)
            for kind in {type(value) for value in values}:
                if kind in column.values:
                    passes |= column.values[kind].any_of([value for value in values if type(value) is kind])
            return passes


def _compare(column: Column, operator: Operator, value: Literal) -> Mask:
    values = column.of_kind(value)
    if values is None:
        return np.zeros(len(column.present), np.bool_)
    if operator is Operator.UNEQUAL:
        return values.present() & ~values.compare(Operator.EQUAL, value)
    return values.compare(operator, value)
