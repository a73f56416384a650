"""The context of a request, such as {"daytime": "morning"}: one JSON object of strings, and its rows in a table.

Row `f` of the table is field `f` with a value that has no row of its own; the rows after these are the frequent
values, each "field=value". A vocabulary and not a hash: contexts have few values, and none may share a row.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from models.errors import InputError

Context = Mapping[str, str]
ABSENT = -1


def parse_context(text: str | None) -> dict[str, str]:
    """The object in `text`, empty for null; numbers and truth values as their JSON, nulls left out.

    `InputError` for what is no JSON object, or holds lists or objects.
    """
    if text is None:
        return {}
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict) or any(isinstance(v, dict | list) for v in value.values()):
        raise InputError(f"context must be one JSON object of strings; got {text[:40]!r}. Send {{}} or leave it out.")
    return {name: v if isinstance(v, str) else json.dumps(v) for name, v in value.items() if v is not None}


class ContextVocabulary:
    """Fields in order, and (field, value) pairs in row order."""

    def __init__(self, fields: Sequence[str] = (), values: Sequence[tuple[str, str]] = ()) -> None:
        self.fields = tuple(fields)
        self.values = tuple((field, value) for field, value in values)

    @classmethod
    def count(cls, counts: Mapping[tuple[str, str], int], min_count: int, max_values: int) -> ContextVocabulary:
        """Of the pairs counted, the `max_values` most frequent that come `min_count` times or more; all fields."""
        frequent = [pair for pair, num in counts.items() if num >= min_count]
        kept = sorted(frequent, key=lambda pair: (-counts[pair], pair))[:max_values]
        return cls(sorted({field for field, _ in counts}), sorted(kept))

    @property
    def num_rows(self) -> int:
        """Rows of the table."""
        return len(self.fields) + len(self.values)

    @property
    def names(self) -> list[str]:
        """What each row stands for, in row order: a field, or a field and a value of it, as JSON."""
        return [json.dumps(pair) for pair in (*((field,) for field in self.fields), *self.values)]

    def rows(self, context: Context) -> NDArray[np.int32]:
        """[num_fields] rows; `ABSENT` for a field that the context lacks. Fields never seen in training are ignored."""
        rows = np.full(len(self.fields), ABSENT, np.int32)
        for at, name in enumerate(self.fields):
            if name in context:
                rows[at] = self._row_of.get((name, context[name]), at)
        return rows

    def to_json(self) -> dict[str, list[str] | list[tuple[str, str]]]:
        """What `ContextVocabulary(**…)` takes."""
        return {"fields": list(self.fields), "values": list(self.values)}

    @cached_property
    def _row_of(self) -> dict[tuple[str, str], int]:
        return {pair: len(self.fields) + at for at, pair in enumerate(self.values)}
