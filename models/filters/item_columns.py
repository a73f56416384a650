"""The items of one version of a catalogue as columns to filter by. A column is made when a filter first names it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from models.catalogue import ITEMS
from models.errors import SchemaError
from models.events import TIMESTAMP
from models.filters.column import Column, Gathering
from models.filters.column_values import Flags, Numbers, Texts, Values
from models.filters.expressions import Field
from models.filters.fields import COLUMNS, METADATA, Kind
from models.filters.item_values import leaves
from models.filters.times import DAY_US, day_us, time_us

MAX_COLUMNS = 64
"""Columns of metadata that are held; the longest unused go first."""
_NAMES = {"released_at": "released", METADATA: "attributes"}
"""What tables call a field otherwise."""
_SCHEMA = pa.schema([*((field.name, field.type) for field in ITEMS), ("num_interactions", pa.int64())])
_SLICE = 10_000


class ItemColumns:
    """Thread-safe. Immutable but for what has been made so far; a new version of the catalogue is a new object.

    Memory of a field that filters have named, in bytes an item: 1, and 4 a text (8 more and itself for each different
    one), 8 for a number or time, 2 for a flag. The first filter that names a field of metadata reads all documents.
    """

    def __init__(self, table: pa.Table, version: str) -> None:
        """`table`: `item_id` and any other columns of the lake's `items`, and the `num_interactions` of a bundle's.

        `version` names the contents. `SchemaError` without ids.
        """
        if "item_id" not in table.column_names:
            raise SchemaError(f"items have no column item_id; got {', '.join(table.column_names)}. Add it.")
        self.version = version
        self._table = table
        self._columns: OrderedDict[Field, Column] = OrderedDict()
        self._names: frozenset[str] | None = None
        self._making = threading.Lock()

    @classmethod
    def of_documents(cls, items: Sequence[Mapping[str, Any]], version: str) -> ItemColumns:
        """Of documents of the catalogue with their `item_id`; `updated_at` and `num_interactions` as they have them."""
        return cls(pa.Table.from_pylist([_row(item) for item in items], schema=_SCHEMA), version)

    def __len__(self) -> int:
        return len(self._table)

    @property
    def num_bytes(self) -> int:
        """Memory of the columns made so far."""
        with self._making:
            return sum(column.num_bytes for column in self._columns.values())

    def columns(self, fields: Iterable[Field]) -> dict[Field, Column]:
        """The columns of some fields; those of metadata that are missing are made in one pass over the documents."""
        with self._making:
            wanted = dict.fromkeys(fields)
            found = {field: self._columns[field] for field in wanted if field in self._columns}
            missing = [field for field in wanted if field not in found]
            made = {field: self._column(field.column) for field in missing if field.column != METADATA}
            made |= self._of_metadata([field for field in missing if field.column == METADATA])
            self._columns |= made
            for field in wanted:
                self._columns.move_to_end(field)
            while len(self._columns) > max(MAX_COLUMNS, len(wanted)):
                self._columns.popitem(last=False)
            return found | made

    def _column(self, name: str) -> Column:
        column = _NAMES.get(name, name)
        if column not in self._table.column_names:
            if name != "available":
                return Column.of(len(self), {})
            values = pa.repeat(True, len(self))
        else:
            values = self._table[column].combine_chunks()
            values = values.fill_null(True) if name == "available" else values
        return Column.of(len(self), _values(COLUMNS[name], values, len(self)))

    def _of_metadata(self, fields: Sequence[Field]) -> dict[Field, Column]:
        """One pass over the documents. The first also learns the names in them: a field of no such name costs none."""
        if self._names is not None:
            nothing = {field: Column.of(len(self), {}) for field in fields if field.path[0] not in self._names}
            fields = [field for field in fields if field not in nothing]
        else:
            nothing = {}
        if not fields or _NAMES[METADATA] not in self._table.column_names:
            return nothing | {field: Column.of(len(self), {}) for field in fields}
        gatherings = {field: Gathering() for field in fields}
        names: set[str] = set()
        for row, document in enumerate(_objects(self._table[_NAMES[METADATA]])):
            names.update(document)
            for field, gathering in gatherings.items():
                if field.path[0] in document:
                    gathering.add(row, leaves(document, field.path))
        self._names = frozenset(names)
        return nothing | {field: gathering.column(len(self)) for field, gathering in gatherings.items()}


def _values(kind: Kind, values: pa.Array, num_items: int) -> dict[type, Values]:
    """What an Arrow array holds, be it one value an item or a list."""
    rows = np.arange(num_items, dtype=np.int32)
    if pa.types.is_list(values.type) or pa.types.is_large_list(values.type):
        rows = np.asarray(pc.list_parent_indices(values), np.int32)
        values = pc.list_flatten(values)
    rows = rows[np.asarray(values.is_valid())]
    values = values.drop_null()
    if not len(rows):
        return {}
    match kind:
        case Kind.TEXT:
            return {str: Texts(num_items, rows, values)}
        case Kind.FLAG:
            return {bool: Flags(num_items, rows, np.asarray(values, np.bool_))}
        case Kind.NUMBER:
            return {float: Numbers(num_items, rows, np.asarray(values, np.float64))}
        case Kind.TIME:
            return {float: Numbers(num_items, rows, _times_us(values))}


def _times_us(values: pa.Array) -> NDArray[np.float64]:
    if pa.types.is_date32(values.type):
        return np.asarray(values.cast(pa.int32()), np.float64) * DAY_US
    return np.asarray(values.cast(TIMESTAMP).cast(pa.int64()), np.float64)


def _objects(texts: pa.ChunkedArray) -> Iterator[dict[str, Any]]:
    """The JSON object of each item; an empty one where there is none, or something else."""
    for chunk in texts.chunks:
        for start in range(0, len(chunk), _SLICE):
            for text in chunk.slice(start, _SLICE).to_pylist():
                yield _object(text) if text else {}


def _object(text: str) -> dict[str, Any]:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return {}
    return value if isinstance(value, dict) else {}


def _row(item: Mapping[str, Any]) -> dict[str, Any]:
    """A document as a row of the table, times and days as Arrow counts them."""
    row = {name: item.get(name) for name in _SCHEMA.names}
    for name in ("updated_at", "expires_at"):
        row[name] = None if item.get(name) is None else time_us(item[name])
    released, metadata = item.get("released_at"), item.get(METADATA)
    row["released"] = None if released is None else day_us(released) // DAY_US
    row["attributes"] = None if metadata is None else orjson.dumps(metadata).decode()
    return row
