"""Bad input: a clear error, or a quarantine row with its number and reason, and the good rows beside it kept."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from models.errors import ConfigError, InputError, NotFoundError, SchemaError
from models.tables import Table
from tests.pipelines.ingestion.checked import checked, good, plan, reasons

HEADER = "user_id,item_id,timestamp,rating,event_type\n"


def log(tmp_path: Path, *rows: str | bytes, name: str = "log.csv", header: str = HEADER) -> Path:
    path = tmp_path / name
    lines = [row.encode() if isinstance(row, str) else row for row in rows]
    path.write_bytes(header.encode() + b"\n".join(lines) + b"\n")
    return path


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ("u,i,978300760,abc,", "rating: 'abc' is not a number"),
        ("u,i,978300760,11,", "rating: 11.0 is not between 0 and 10"),
        ("u,i,978300760,nan,", "rating: NaN is not between 0 and 10"),
        ("u,i,50000-01-01T00:00:00Z,,", "timestamp: '50000-01-01T00:00:00Z' is no time"),
        ("u,i,1515720384000,,", "timestamp: '1515720384000' is not between 1970 and"),
        ("u,i,-5,,", "timestamp: '-5' is not between 1970 and"),
        ("u,i,99999999999999999999999,,", "timestamp: '99999999999999999999999' is not between 1970 and"),
        ("u,i,yesterday,,", "timestamp: 'yesterday' is no time"),
        ("u,i,,,", "timestamp: is missing"),
        (",i,978300760,,", "user_id: is missing"),
        ("u,,978300760,,", "item_id: is missing"),
        (f"{'x' * (1 << 20)},i,978300760,,", "user_id: has 1048576 bytes, at most 128 are allowed"),
        (f"u,{'é' * 65},978300760,,", "item_id: has 130 bytes, at most 128 are allowed"),
        ("u,i,978300760,,teleport", "event_type: 'teleport' is unknown"),
        ("u,i,978300760", "columns: row has 3 fields, the header 5"),
        ("u,i,978300760,,,,,", "columns: row has 8 fields, the header 5"),
        ('u,"i,978300760,,', "columns: a quote is opened and not closed on its line"),
        (b"u,caf\xe9,978300760,,", "encoding: item_id is not UTF-8"),
        (b"u,i,978300760,,\xff", "encoding: event_type is not UTF-8"),
    ],
)
def test_a_bad_csv_row_is_named_and_its_neighbours_are_kept(tmp_path: Path, bad: str | bytes, reason: str) -> None:
    rows = checked(log(tmp_path, "a,i,978300760,5,", bad, "b,i,978300761,,like", "c,i,978300762,,"), time_unit="s")
    assert good(rows)["user_id"].to_list() == ["a", "b", "c"]
    (found,) = rows.filter(pl.col("_reason").is_not_null()).iter_rows(named=True)
    assert found["_reason"].startswith(reason)
    assert found["_row"] == 2
    assert 0 < len(found["_record"]) <= 1_000


def test_rows_behind_several_bad_ones_keep_their_numbers(tmp_path: Path) -> None:
    rows = checked(log(tmp_path, "x", "a,i,978300760,,", 'q,"', "y,z", "b,i,978300760,oops,", "c,i,978300760,,", "w"))
    numbers = {row["_row"]: (row["_reason"] or "good").split(":")[0] for row in rows.iter_rows(named=True)}
    assert numbers == {1: "columns", 2: "good", 3: "columns", 4: "columns", 5: "rating", 6: "good", 7: "columns"}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("[1, 2]", "json: line holds a list, not an object"),
        ('"text"', "json: line holds a text, not an object"),
        ("17", "json: line holds a number, not an object"),
        ("null", "json: line holds null, not an object"),
        ('{"user_id": "u"', "json: line is not JSON"),
        ("[" * 100_000, "json: line is not JSON"),
        (b'{"user_id": "\xff", "item_id": "i", "timestamp": 978300760}', "encoding: line is not UTF-8"),
        ('{"user_id": "\\ud800", "item_id": "i", "timestamp": 9}', "encoding: line holds half of a surrogate pair"),
        ('{"user_id": "u", "item_id": "i", "timestamp": 978300760, "rating": "abc"}', "rating: 'abc' is not a number"),
        ('{"user_id": "u", "timestamp": 978300760}', "item_id: is missing"),
        ('{"user_id": "u", "item_id": "i", "timestamp": true}', "timestamp: 'true' is no time"),
        ('{"user_id": "u", "item_id": "i", "timestamp": 9, "position": 1.5}', "position: '1.5' is not a whole number"),
    ],
)  # fmt: skip
def test_a_bad_json_line_is_named_and_its_neighbours_are_kept(tmp_path: Path, line: str | bytes, reason: str) -> None:
    before = '{"user_id": "a", "item_id": "i", "timestamp": 978300760}'
    rows = checked(log(tmp_path, before, line, before.replace('"a"', '"b"'), name="log.jsonl", header=""))
    assert good(rows)["user_id"].to_list() == ["a", "b"]
    (found,) = rows.filter(pl.col("_reason").is_not_null()).iter_rows(named=True)
    assert found["_reason"].startswith(reason)
    assert found["_row"] == 2


def parquet(path: Path, num_rows: int = 4_000, group: int = 1_000) -> bytes:
    users = [f"user-{n}" for n in range(num_rows)]
    table = pa.table({"user_id": users, "item_id": users, "timestamp": list(range(978300760, 978300760 + num_rows))})
    pq.write_table(table, path, row_group_size=group, compression="zstd", use_dictionary=False)
    return path.read_bytes()


def test_a_truncated_parquet_file_does_not_take_others_with_it(tmp_path: Path) -> None:
    whole = parquet(tmp_path / "a.parquet")
    (tmp_path / "b.parquet").write_bytes(whole[: len(whole) // 2])
    rows = checked(tmp_path)
    assert len(good(rows)) == 4_000
    (reason,) = reasons(rows)
    assert reason.startswith("file: file is unreadable from here on: Parquet magic bytes not found")


def test_one_broken_row_group_is_set_apart(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    data = bytearray(parquet(path))
    column = pq.read_metadata(path).row_group(1).column(0)
    start = column.data_page_offset
    data[start : start + 400] = b"\xff" * 400
    path.write_bytes(data)
    rows = checked(path)
    kept = good(rows)["user_id"].to_list()
    assert kept == [f"user-{n}" for n in range(4_000) if not 1_000 <= n < 2_000]
    (found,) = rows.filter(pl.col("_reason").is_not_null()).iter_rows(named=True)
    assert found["_reason"].startswith("file: row group 1 (1,000 rows from here) is unreadable")
    assert (found["_row"], found["_num_rows"]) == (1_001, 1_000)


@pytest.mark.slow
def test_a_gzip_file_that_breaks_off_keeps_what_came_before(tmp_path: Path) -> None:
    text = HEADER + "".join(f"user-{n * 7919},i,978300760,,\n" for n in range(500_000))
    packed = gzip.compress(text.encode())
    (tmp_path / "log.csv.gz").write_bytes(packed[: len(packed) * 3 // 4])
    rows = checked(tmp_path)
    assert reasons(rows)[-1].startswith("file: file is unreadable from here on")
    assert len(good(rows)) > 0


@pytest.mark.parametrize(
    "broken", [b"not packed at all", gzip.compress(b'{"user_id": "u"}\n' * 50)[:-20]], ids=["text", "cut"]
)
def test_a_broken_gzip_file_of_json_lines(tmp_path: Path, broken: bytes) -> None:
    (tmp_path / "a.jsonl").write_text('{"user_id": "u", "item_id": "i", "timestamp": 978300760}\n')
    (tmp_path / "b.jsonl.gz").write_bytes(broken)
    rows = checked(tmp_path)
    assert len(good(rows)) == 1
    assert reasons(rows)[-1].startswith("file: file is unreadable from here on")


def test_a_gzip_file_broken_at_its_beginning(tmp_path: Path) -> None:
    log(tmp_path, "a,i,978300760,,")
    (tmp_path / "bad.csv.gz").write_bytes(gzip.compress(HEADER.encode() * 50)[:40])
    rows = checked(tmp_path)
    assert len(good(rows)) == 1
    assert reasons(rows)[0].startswith("file: file is unreadable from here on: Compressed file ended")


def test_an_empty_file_beside_others_is_reported(tmp_path: Path) -> None:
    log(tmp_path, "a,i,978300760,,")
    (tmp_path / "empty.csv").touch()
    rows = checked(tmp_path)
    assert len(good(rows)) == 1
    assert reasons(rows) == ["file: file is empty"]


def test_a_header_alone_is_no_row(tmp_path: Path) -> None:
    assert len(checked(log(tmp_path, header=HEADER.strip()))) == 0


def test_parquet_columns_of_other_types_are_text_or_json(tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {
            "user_id": ["u", None, "w", "x"],
            "item_id": [b"i", b"j", b"\xff", b"k"],
            "timestamp": [978300760] * 4,
            "raw": [b"a", b"b", b"c", b"\xfe"],
            "long": [timedelta(1), None, None, None],
            "price": [Decimal("1.50"), None, None, None],
            "nested": [{"a": b"x"}, None, None, None],
            "words": [["a", "b"], None, None, None],
        }
    )
    frame.write_parquet(tmp_path / "log.parquet")
    rows = checked(tmp_path)
    assert good(rows)["item_id"].to_list() == ["i"]
    assert json.loads(good(rows)["context"][0]) == {
        "long": "1 day, 0:00:00", "nested": '{"a": "b\'x\'"}', "price": "1.50", "raw": "a", "words": ["a", "b"],
    }  # fmt: skip
    assert sorted(reasons(rows)) == [
        "encoding: item_id is not UTF-8",
        "encoding: raw is not UTF-8",
        "user_id: is missing",
    ]


def test_bad_items_and_users(tmp_path: Path) -> None:
    log(tmp_path, "1,2020-01-01", ",2020-01-01", "3,last year", name="items.csv", header="item_id,released\n")
    log(tmp_path, "1,NL", f"2,{'N' * 200}", name="users.csv", header="user_id,country\n")
    items, users = checked(tmp_path, Table.ITEMS), checked(tmp_path, Table.USERS)
    assert good(items)["item_id"].to_list() == ["1"]
    assert reasons(items) == ["item_id: is missing", "released: 'last year' is no date"]
    assert good(users)["user_id"].to_list() == ["1"]
    assert reasons(users) == ["country: has 200 bytes, at most 128 are allowed"]


def no_such_path(tmp_path: Path) -> None:
    plan(tmp_path / "nowhere.csv")


def empty_folder(tmp_path: Path) -> None:
    plan(tmp_path)


def only_other_files(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("hello")
    plan(tmp_path)


def missing_column(tmp_path: Path) -> None:
    plan(log(tmp_path, "u,p,1", header="user_id,sku,timestamp\n"))


def missing_time(tmp_path: Path) -> None:
    plan(log(tmp_path, "u,p", header="user_id,item_id\n"))


def map_to_nothing(tmp_path: Path) -> None:
    plan(log(tmp_path, "u,p,1,,"), mapping={"item_id": "sku"})


def map_of_nothing(tmp_path: Path) -> None:
    plan(log(tmp_path, "u,p,1,,"), mapping={"itemid": "item_id"})


def double_column(tmp_path: Path) -> None:
    plan(log(tmp_path, "u,p,1,,", header="user_id,item_id,item_id,timestamp\n"))


def foreign_header(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes("user_id,item_id,größe\n".encode("latin-1"))
    plan(path)


def unknown_format(tmp_path: Path) -> None:
    plan(tmp_path, format="xml")


@pytest.mark.parametrize(
    ("cause", "error", "message"),
    [
        (no_such_path, NotFoundError, r"there is no file or folder .*nowhere.csv"),
        (empty_folder, InputError, r"no data in .*: it holds nothing"),
        (only_other_files, InputError, r"no data in .*: it holds README.md"),
        (missing_column, SchemaError, r"no column item_id; it has: user_id, sku, timestamp\. Name it with --map"),
        (missing_time, SchemaError, r"has no column timestamp; .* or take a log without times with --untimed"),
        (map_to_nothing, SchemaError, r"--map item_id=sku: no file has a column sku; seen: user_id, item_id, t"),
        (map_of_nothing, ConfigError, r"--map itemid=… names no column of ours\. Did you mean item_id\?"),
        (double_column, SchemaError, r"names a column twice: user_id, item_id, item_id"),
        (foreign_header, SchemaError, r"the header of .* is not UTF-8"),
        (unknown_format, ConfigError, r"format 'xml' is unknown. Use one of: auto, movielens"),
    ],
)  # fmt: skip
def test_a_source_that_cannot_be_meant_is_an_error(
    tmp_path: Path, cause: Callable[[Path], None], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        cause(tmp_path)
