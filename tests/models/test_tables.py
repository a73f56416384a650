"""The table contracts against their golden file. A change here is a change of `schema_version` and of its readers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from models.events import SCHEMA_VERSION
from models.tables import TABLES, Table

GOLDEN = Path(__file__).parent / "golden" / "tables.v4.json"


def contract(table: Table) -> dict[str, object]:
    spec = TABLES[table]
    columns = [f"{field.name}: {field.type}{'' if field.nullable else ' not null'}" for field in spec.schema]
    return {"key": spec.key, "partition_by": list(spec.partition_by), "columns": columns}


@pytest.mark.parametrize("table", list(Table))
def test_schemas_are_the_golden_ones(table: Table) -> None:
    assert contract(table) == json.loads(GOLDEN.read_text())[table.value]
    assert TABLES[table].schema.metadata == {b"schema_version": str(SCHEMA_VERSION).encode()}


def test_the_golden_file_is_of_this_version_and_whole() -> None:
    assert GOLDEN.name == f"tables.v{SCHEMA_VERSION}.json"
    assert set(json.loads(GOLDEN.read_text())) == {table.value for table in TABLES} == {table.value for table in Table}


@pytest.mark.parametrize("table", list(Table))
def test_keys_and_partitions_are_columns_that_are_never_null(table: Table) -> None:
    spec = TABLES[table]
    for name in (spec.key, *spec.partition_by):
        assert not spec.schema.field(name).nullable


@pytest.mark.parametrize("older", sorted(GOLDEN.parent.glob("tables.v*.json"))[:-1], ids=lambda path: path.stem)
def test_a_version_only_adds_columns_that_may_be_null(older: Path) -> None:
    for name, before in json.loads(older.read_text()).items():
        now = json.loads(GOLDEN.read_text())[name]
        assert set(before["columns"]) <= set(now["columns"])
        assert not [column for column in set(now["columns"]) - set(before["columns"]) if "not null" in column]
