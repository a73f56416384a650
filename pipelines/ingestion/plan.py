"""Before anything is written: the columns of every file, what they are called with us, and the unit of the times."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from models.errors import ConfigError, SchemaError
from models.events import EventType
from models.tables import Table
from pipelines.ingestion import delimited, json_lines, parquet
from pipelines.ingestion.checking import Rules
from pipelines.ingestion.chunks import COLUMNS
from pipelines.ingestion.layout import SourceFile
from pipelines.ingestion.reading import read_sample
from pipelines.ingestion.sources import Source, discover
from pipelines.ingestion.splits import Split
from pipelines.ingestion.timestamps import TimeUnit, guess_unit

_NEEDED = {
    Table.INTERACTIONS: ("user_id", "item_id", "timestamp"),
    Table.ITEMS: ("item_id",),
    Table.USERS: ("user_id",),
}


@dataclass(frozen=True, slots=True)
class IngestOptions:
    """`mapping`: our column → theirs. `event_type`: of events that name none. `time_unit` None: a sample decides."""

    format: str = "auto"
    mapping: Mapping[str, str] = field(default_factory=dict)
    untimed: bool = False
    event_type: EventType | None = None
    time_unit: TimeUnit | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What an ingest will read, and by which rules."""

    files: tuple[SourceFile, ...]
    ignored: tuple[str, ...]
    rules: Rules

    def of(self, table: Table) -> list[SourceFile]:
        """The files of one table."""
        return [file for file in self.files if file.table is table]


def make_plan(source: str, options: IngestOptions) -> Plan:
    """Read headers and a sample. `InputError` for a source that cannot be meant: no data, columns missing."""
    check_mapping(options.mapping)
    found: Source = discover(source, options.format)
    named = [replace(file, names=_names(file)) for file in found.files]
    _check_mapped(named, options.mapping)
    return plan_of([fitted(file, options) for file in named], found.ignored, options)


def fitted(file: SourceFile, options: IngestOptions) -> SourceFile:
    """The file with the names of its columns and what they are called with us; `SchemaError` when one is missing."""
    file = _with_renames(file if file.names else replace(file, names=_names(file)), options.mapping)
    _check_columns(file, options.untimed)
    return file


def plan_of(files: Sequence[SourceFile], ignored: Sequence[str], options: IngestOptions) -> Plan:
    """How the fitted files are read."""
    unit = options.time_unit or _guess_unit(file for file in files if file.table is Table.INTERACTIONS)
    rules = Rules(unit, datetime.now(UTC), options.untimed, options.event_type)
    return Plan(tuple(files), tuple(ignored), rules)


def _names(file: SourceFile) -> tuple[str, ...]:
    """The file's own column names; empty when it is empty or unreadable, which its task will report."""
    if file.num_bytes == 0:
        return ()
    if file.layout.form == "delimited":
        return delimited.header(file)
    if file.layout.form == "parquet":
        return parquet.column_names(file)
    return json_lines.key_names(Split(0, file, 0, file.num_bytes))


def _with_renames(file: SourceFile, mapping: Mapping[str, str]) -> SourceFile:
    """The renames that apply to this file. A column in the way of a mapped one keeps its content as an extra column."""
    names = set(file.names)
    renames = {theirs: ours for theirs, ours in file.layout.renames.items() if theirs in names and ours not in names}
    for ours, theirs in mapping.items():
        if theirs in names and ours in COLUMNS[file.table] and ours != theirs:
            renames |= {ours: f"{ours}_in_source"} if ours in names else {}
            renames[theirs] = ours
    return replace(file, layout=replace(file.layout, renames=renames))


def check_mapping(mapping: Mapping[str, str]) -> None:
    """`ConfigError` for a mapping of a column that no table of ours has."""
    known = sorted({name for names in COLUMNS.values() for name in names})
    for ours in mapping:
        if ours not in known:
            near = difflib.get_close_matches(ours, known, 1) or known
            raise ConfigError(
                f"--map {ours}=… names no column of ours. Did you mean {near[0]}? Known: {', '.join(known)}."
            )


def _check_mapped(files: list[SourceFile], mapping: Mapping[str, str]) -> None:
    seen = dict.fromkeys(name for file in files for name in file.names)
    for ours, theirs in mapping.items():
        if seen and theirs not in seen:
            raise SchemaError(f"--map {ours}={theirs}: no file has a column {theirs}; seen: {', '.join(seen)}.")


def _check_columns(file: SourceFile, untimed: bool) -> None:
    if not file.names:
        return
    have = {file.layout.renames.get(name, name) for name in file.names}
    missing = [name for name in _NEEDED[file.table] if name not in have and not (untimed and name == "timestamp")]
    if not missing:
        return
    advice = f"Name it with --map {missing[0]}=THEIRS"
    if missing[0] == "timestamp":
        advice += ", or take a log without times with --untimed"
    raise SchemaError(f"{file.uri} has no column {missing[0]}; it has: {', '.join(file.names)}. {advice}.")


def _guess_unit(logs: Iterable[SourceFile]) -> TimeUnit:
    for file in logs:
        sample = read_sample(file)
        if "timestamp" in sample.columns and (unit := guess_unit(sample["timestamp"])) is not None:
            return unit
    return "s"
