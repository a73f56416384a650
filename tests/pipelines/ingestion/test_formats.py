"""One small sample of every format, to the same rows."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from models.events import derive_interaction_id
from models.tables import Table
from tests.pipelines.ingestion.checked import checked, good, plan, reasons

FIRST = datetime(2000, 12, 31, 22, 12, 40, tzinfo=UTC)
SECOND = datetime(2000, 12, 31, 22, 35, 9, tzinfo=UTC)
IN_SECONDS = (978300760, 978302109)


def write(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def check_two_ratings(rows: pl.DataFrame) -> None:
    assert reasons(rows) == []
    assert rows["user_id"].to_list() == ["1", "1"]
    assert rows["item_id"].to_list() == ["1193", "661"]
    assert rows["event_type"].to_list() == ["rating", "rating"]
    assert rows["timestamp"].to_list() == [FIRST, SECOND]
    assert rows["rating"].to_list() == [5.0, 3.5]
    assert rows["date"].to_list() == [date(2000, 12, 31)] * 2
    us = int(FIRST.timestamp()) * 1_000_000
    assert rows["interaction_id"][0] == derive_interaction_id("1", "1193", "rating", us, 5.0)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("ratings.dat", "1::1193::5::978300760\n1::661::3.5::978302109\n"),
        ("u.data", "1\t1193\t5\t978300760\n1\t661\t3.5\t978302109\n"),
        ("log.csv", "timestamp,user_id,rating,item_id\n978300760,1,5,1193\n978302109,1,3.5,661"),
        ("log.tsv", "user_id\titem_id\trating\ttimestamp\n1\t1193\t5\t978300760\r\n1\t661\t3.5\t978302109\r\n"),
        (
            "log.csv",
            "\ufeffuser_id,item_id,rating,timestamp\n1,1193,5,2000-12-31T22:12:40Z\n\n"
            "1,661,3.5,2000-12-31 23:35:09+01:00\n",
        ),
        (
            "log.jsonl",
            '{"user_id": 1, "item_id": "1193", "rating": 5, "timestamp": 978300760000}\n\n'
            '{"timestamp": 978302109000, "rating": "3.5", "user_id": "1", "item_id": 661}',
        ),
        (
            "ml.inter",
            "user_id:token\titem_id:token\trating:float\ttimestamp:float\n1\t1193\t5\t978300760\n1\t661\t3.5\t978302109.0\n",
        ),
    ],
)  # fmt: skip
def test_a_log_of_any_form_gives_the_same_rows(tmp_path: Path, name: str, text: str) -> None:
    check_two_ratings(checked(write(tmp_path, name, text)))
    check_two_ratings(checked(tmp_path))  # the folder that holds it


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns", "text"])
def test_parquet_keeps_its_own_types(tmp_path: Path, unit: str) -> None:
    moments = pl.Series([FIRST, SECOND], dtype=pl.Datetime("us", "UTC"))
    times = {
        "s": pl.Series(IN_SECONDS, dtype=pl.Int32),
        "ms": pl.Series([float(t) * 1e3 for t in IN_SECONDS]),
        "us": moments,
        "ns": moments.dt.convert_time_zone("Asia/Tokyo").dt.cast_time_unit("ns"),
        "text": pl.Series(["2000-12-31T22:12:40", "2000-12-31T22:35:09"]),
    }[unit]
    frame = pl.DataFrame({"user_id": [1.0, 1.0], "movie_id": [1193, 661], "rating": [5.0, 3.5], "timestamp": times})
    frame.write_parquet(tmp_path / "interactions.parquet")
    check_two_ratings(checked(tmp_path, mapping={"item_id": "movie_id"}))


def test_gzip_of_a_log(tmp_path: Path) -> None:
    text = "user_id,item_id,rating,timestamp\n1,1193,5,978300760\n1,661,3.5,978302109\n"
    check_two_ratings(checked(write(tmp_path, "log.csv.gz", gzip.compress(text.encode()))))


def test_a_name_that_says_nothing_needs_the_format(tmp_path: Path) -> None:
    path = write(tmp_path, "export", "user_id,item_id,rating,timestamp\n1,1193,5,978300760\n1,661,3.5,978302109\n")
    check_two_ratings(checked(path, format="csv"))


def test_many_small_blocks_and_splits_lose_and_double_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [f'u{n},i{n % 7},{n},"a, ""quoted"" {"x" * (n % 50)}"' for n in range(3_000)]
    path = write(tmp_path, "log.csv", "user_id,item_id,timestamp,note\n" + "\n".join(rows))
    monkeypatch.setattr("pipelines.ingestion.splits._MIN_SPLIT_BYTES", 10_000)
    monkeypatch.setattr("pipelines.ingestion.splits.TEXT_SPLIT_BYTES", 10_000)
    read = checked(path)
    assert read["_split"].n_unique() > 5
    assert read["user_id"].to_list() == [f"u{n}" for n in range(3_000)]
    assert read["context"][1] == '{"note":"a, \\"quoted\\" x"}'


def test_movielens_items_and_users(tmp_path: Path) -> None:
    write(
        tmp_path,
        "movies.dat",
        "1::Toy Story (1995)::Animation|Comedy\n2::Misérables, Les (1995)::Drama\n".encode("latin-1"),
    )
    write(tmp_path, "users.dat", "1::F::1::10::48067\n")
    items, users = checked(tmp_path, Table.ITEMS), checked(tmp_path, Table.USERS)
    assert items["title"].to_list() == ["Toy Story (1995)", "Misérables, Les (1995)"]
    assert items["categories"].to_list() == [["Animation", "Comedy"], ["Drama"]]
    assert items["released"].to_list() == [date(1995, 1, 1)] * 2
    assert users["attributes"].to_list() == ['{"age":"1","gender":"F","occupation":"10","zip":"48067"}']


def test_ml_100k_flags_are_categories(tmp_path: Path) -> None:
    flags = "|".join("1" if i in (3, 5) else "0" for i in range(19))
    write(tmp_path, "u.item", f"1|Toy Story (1995)|01-Mar-1995||http://x/1|{flags}\n")
    row = checked(tmp_path, Table.ITEMS).row(0, named=True)
    assert row["categories"] == ["Animation", "Comedy"]
    assert row["released"] == date(1995, 3, 1)
    assert row["attributes"] == '{"url":"http://x/1","video_released":null}'


def test_tags_of_users_become_tags_of_items(tmp_path: Path) -> None:
    write(tmp_path, "movies.csv", 'movieId,title,genres\n1,"Heat, The (1995)",Crime|Drama\n2,X,(no genres listed)\n')
    write(tmp_path, "tags.csv", "userId,movieId,tag,timestamp\n15,1,heist,1\n16,1,la,2\n")
    rows = checked(tmp_path, Table.ITEMS)
    assert good(rows).select("item_id", "title", "categories", "tags", "attributes").rows() == [
        ("1", "Heat, The (1995)", ["Crime", "Drama"], [], None),
        ("2", "X", [], [], None),
        ("1", None, [], ["heist"], None),
        ("1", None, [], ["la"], None),
    ]


def test_recbole_items_divide_lists_by_blanks(tmp_path: Path) -> None:
    write(tmp_path, "ml.inter", "user_id:token\titem_id:token\ttimestamp:float\n1\t2\t978300760\n")
    write(
        tmp_path,
        "ml.item",
        "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
        "2\tToy Story\t1995\tAnimation Comedy\n",
    )
    row = checked(tmp_path, Table.ITEMS).row(0, named=True)
    assert (row["title"], row["categories"]) == ("Toy Story", ["Animation", "Comedy"])
    assert row["attributes"] == '{"release_year":"1995"}'
    assert checked(tmp_path)["event_type"].to_list() == ["view"]


def test_a_folder_goes_to_its_tables_and_the_rest_is_named(tmp_path: Path) -> None:
    write(tmp_path, "events/2026-01-01/part-0.csv", "user_id,item_id,timestamp,event_type\nu,i,978300760,Click\n")
    write(
        tmp_path, "events/2026-01-02/part-0.jsonl", '{"user_id":"v","item_id":"i","timestamp":978300761,"k":{"a":1}}\n'
    )
    write(tmp_path, "items.jsonl", '{"item_id":"i","name":"N","genres":["a","b"],"released":"2020-02-03","price":3}\n')
    write(tmp_path, "users.csv", "user_id,country\nu,NL\n")
    write(tmp_path, "notes.csv", "a,b\n1,2\n")
    write(tmp_path, ".hidden/events.csv", "a,b\n1,2\n")
    assert [Path(name).name for name in plan(tmp_path).ignored] == ["notes.csv"]
    events, items = checked(tmp_path), checked(tmp_path, Table.ITEMS)
    assert events["event_type"].to_list() == ["click", "view"]
    assert events["context"].to_list() == [None, '{"k": {"a": 1}}']
    assert items.select("title", "categories", "released", "attributes").row(0) == (
        "N", ["a", "b"], date(2020, 2, 3), '{"price": 3}',
    )  # fmt: skip
    assert checked(tmp_path, Table.USERS)["country"].to_list() == ["NL"]


def test_a_glob_takes_what_it_names(tmp_path: Path) -> None:
    for day in ("a", "b", "c"):
        write(tmp_path, f"logs/{day}.csv", f"user_id,item_id,timestamp\n{day},i,978300760\n")
    assert checked(f"{tmp_path}/logs/[ab].csv")["user_id"].to_list() == ["a", "b"]


def test_descriptions_may_hold_line_breaks(tmp_path: Path) -> None:
    write(tmp_path, "items.csv", 'item_id,description\n1,"two\nlines, ""quoted"""\n2,one\n')
    rows = checked(tmp_path, Table.ITEMS)
    assert rows["description"].to_list() == ['two\nlines, "quoted"', "one"]


def test_a_column_in_the_way_of_a_mapped_one_is_kept_as_context(tmp_path: Path) -> None:
    path = write(tmp_path, "log.csv", "user_id,item_id,timestamp,ts\nu,i,late,978300760\n")
    row = checked(path, mapping={"timestamp": "ts"}).row(0, named=True)
    assert row["timestamp"] == FIRST
    assert row["context"] == '{"timestamp_in_source":"late"}'


def test_untimed_logs_are_taken_only_when_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path, "log.csv", "user_id,item_id,timestamp\nu,i,\nu,j,978300760\n")
    assert reasons(checked(path)) == ["timestamp: is missing"]
    rows = checked(path, untimed=True)
    assert rows["timestamp"].to_list() == [None, FIRST]
    assert rows["date"].to_list() == [date(1970, 1, 1), date(2000, 12, 31)]


def test_a_context_is_taken_as_it_is_and_other_columns_are_added_to_it(tmp_path: Path) -> None:
    lines = [
        {"user_id": "ann", "item_id": "a", "timestamp": 1, "context": {"daytime": "morning"}},
        {"user_id": "ann", "item_id": "b", "timestamp": 2, "context": '{"daytime":"night"}', "city": "Oslo"},
        {"user_id": "ann", "item_id": "c", "timestamp": 3, "city": "Oslo"},
        {"user_id": "ann", "item_id": "d", "timestamp": 4},
        {"user_id": "ann", "item_id": "e", "timestamp": 5, "context": "morning"},
        {"user_id": "ann", "item_id": "f", "timestamp": 6, "context": ["morning"]},
    ]
    path = tmp_path / "interactions.jsonl"
    path.write_text("\n".join(json.dumps(line) for line in lines))
    rows = checked(path)
    contexts = [None if text is None else json.loads(text) for text in good(rows)["context"]]
    assert contexts == [{"daytime": "morning"}, {"city": "Oslo", "daytime": "night"}, {"city": "Oslo"}, None]
    assert reasons(rows) == ["context: 'morning' is no JSON object", "context: '[\"morning\"]' is no JSON object"]


def test_availability_expiry_countries_and_consent_are_columns(tmp_path: Path) -> None:
    rows = '1,false,2030-01-01T00:00:00Z,NO|SE\n2,1,2030-01-01,"[""NO""]"\n3,,,\n4,perhaps,,\n5,,soon,\n'
    write(tmp_path, "items.csv", "item_id,available,expires_at,countries\n" + rows)
    write(tmp_path, "users.jsonl", '{"user_id": "a", "personalization": false}\n{"user_id": "b"}\n')
    items, users = checked(tmp_path, Table.ITEMS), checked(tmp_path, Table.USERS)
    end = datetime(2030, 1, 1, tzinfo=UTC)
    assert good(items).select("available", "expires_at", "countries", "attributes").rows() == [
        (False, end, ["NO", "SE"], None),
        (True, end, ["NO"], None),
        (None, None, None, None),
    ]
    assert reasons(items) == ["available: 'perhaps' is neither true nor false", "expires_at: 'soon' is no time"]
    assert users["personalization"].to_list() == [False, None]
