"""The whole ingest on the one Ray of the session: what is in the lake afterwards, and after doing it again."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest

from cluster.delta.lake import AppTransaction, Lake
from cluster.delta.parts import Part
from models.catalogue import ITEMS, USERS
from models.events import INTERACTIONS
from models.tables import Table
from pipelines.ingest import main
from pipelines.ingestion import loading, upserting
from pipelines.ingestion.ingesting import IngestOptions, ingest
from pipelines.ingestion.summary import IngestSummary

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("ray_session")]


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """300 events over 30 days (10 of them twice), 3 bad ones, 2 files; 5 items, one bad; 4 users."""
    folder = tmp_path / "source"
    folder.mkdir()
    lines = [f"u{n % 4},i{n % 5},{1769860800 + n * 8_640},view" for n in range(300)]
    bad = ["u1,i1,yesterday,view", "u1,i1,1769860800,teleport", "u1,i1"]
    header = "user_id,item_id,timestamp,event_type\n"
    (folder / "events").mkdir()
    (folder / "events/a.csv").write_text(header + "\n".join(lines[:150] + bad + lines[:10]))
    (folder / "events/b.csv").write_text(header + "\n".join(lines[150:]))
    items = [{"item_id": f"i{n}", "title": f"Item {n}"} for n in range(5)]
    (folder / "items.jsonl").write_text("\n".join([*map(json.dumps, items), "[]"]))
    (folder / "users.csv").write_text("user_id,country\nu0,NL\nu1,DE\nu2,\nu3,JP\n")
    return folder


def versions(lake: Lake) -> dict[Table, int]:
    return {table: lake.version(table) for table in Table}


def check_source(lake: Lake) -> None:
    events = pl.DataFrame(lake.read(Table.INTERACTIONS))
    assert events.schema == pl.DataFrame(INTERACTIONS.empty_table()).schema
    assert len(events) == events["interaction_id"].n_unique() == 300
    assert sum(lake.rows_by_date(Table.INTERACTIONS).values()) == 300
    assert events["timestamp"].min() == datetime(2026, 1, 31, 12, tzinfo=UTC)
    assert (events["date"] == events["timestamp"].dt.date()).all()
    assert lake.num_rows(Table.ITEMS) == 5
    assert dict(zip(*lake.read(Table.USERS, ["user_id", "country"]).to_pydict().values(), strict=True)) == {
        "u0": "NL", "u1": "DE", "u2": None, "u3": "JP",
    }  # fmt: skip
    bad = pl.DataFrame(lake.read(Table.QUARANTINE)).sort("source_file", "source_row")
    assert bad.select(pl.col("source_file").str.split("/").list.last(), "source_row", "table", "reason").rows() == [
        ("a.csv", 151, "interactions", "timestamp: 'yesterday' is no time"),
        ("a.csv", 152, "interactions", "event_type: 'teleport' is unknown"),
        ("a.csv", 153, "interactions", "columns: row has 2 fields, the header 4"),
        ("items.jsonl", 6, "items", "json: line holds a list, not an object"),
    ]


def test_everything_once_and_again_nothing(source: Path, lake: Lake) -> None:
    summary = ingest(str(source), lake)
    check_source(lake)
    events = summary.tables[Table.INTERACTIONS]
    assert (events.read, events.new, events.known, events.num_bad) == (313, 300, 10, 3)
    assert events.bad == {"columns": 1, "event_type": 1, "timestamp": 1}
    assert (summary.num_read, summary.num_new, summary.num_bad) == (323, 309, 4)
    before = versions(lake)
    again = ingest(str(source), lake)
    assert versions(lake) == before
    assert again.num_new == 0
    assert sum(table.quarantined for table in again.tables.values()) == 0
    assert again.num_bad == 4


def test_what_is_new_and_what_changed_is_added(source: Path, lake: Lake) -> None:
    ingest(str(source), lake)
    with (source / "events/b.csv").open("a") as file:
        file.write("\nu9,i9,1769860801,click\n")
    (source / "items.jsonl").write_text('{"item_id": "i0", "title": "Renamed"}\n{"item_id": "i7", "title": "New"}\n')
    summary = ingest(str(source), lake)
    assert summary.tables[Table.INTERACTIONS].new == 1
    assert summary.tables[Table.ITEMS].new == 2
    titles = dict(zip(*lake.read(Table.ITEMS, ["item_id", "title"]).to_pydict().values(), strict=True))
    assert (titles["i0"], titles["i1"], titles["i7"]) == ("Renamed", "Item 1", "New")


def test_many_partitions_make_the_same_lake(source: Path, lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "_ROWS_A_PARTITION", 80)
    monkeypatch.setattr(loading, "_PARTS_A_READ", 5)
    monkeypatch.setattr(upserting, "_ROWS_A_BUCKET", 2)
    ingest(str(source), lake)
    check_source(lake)
    before = versions(lake)
    assert ingest(str(source), lake).num_new == 0
    assert versions(lake) == before


class CrashError(Exception):
    """The process ends here."""


class CrashingLake(Lake):
    """The real lake, in a process that dies before it commits to one table."""

    def __init__(self, uri: str, table: Table) -> None:
        super().__init__(uri)
        self.table = table

    def commit(self, table: Table, parts: list[Part], transaction: AppTransaction) -> bool:  # type: ignore[override]
        if table is self.table:
            raise CrashError(table)
        return super().commit(table, parts, transaction)


@pytest.mark.parametrize("table", [Table.QUARANTINE, Table.INTERACTIONS])
def test_a_crash_before_a_commit_is_healed_by_running_again(source: Path, lake: Lake, table: Table) -> None:
    with pytest.raises(CrashError):
        ingest(str(source), CrashingLake(lake.uri, table))
    assert lake.num_rows(table) == 0 or table is Table.QUARANTINE
    ingest(str(source), lake)
    check_source(lake)


def test_two_ingests_at_once_add_each_row_once(source: Path, lake: Lake) -> None:
    class Late(Lake):
        """Another ingest of the same files commits between this one's comparison and its commit."""

        raced = False

        def commit(self, table: Table, parts: list[Part], transaction: AppTransaction) -> bool:  # type: ignore[override]
            if table is Table.INTERACTIONS and not Late.raced:
                Late.raced = True
                ingest(str(source), lake)
            return super().commit(table, parts, transaction)

    assert ingest(str(source), Late(lake.uri)).tables[Table.INTERACTIONS].new == 0
    check_source(lake)


def test_ingests_in_threads(source: Path, lake: Lake) -> None:
    ingest(str(source / "items.jsonl"), lake)
    summaries: list[IngestSummary] = []

    def work() -> None:
        summaries.append(ingest(str(source / "events"), lake))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(s.tables[Table.INTERACTIONS].new for s in summaries) == 300
    assert lake.num_rows(Table.INTERACTIONS) == 300
    assert lake.num_rows(Table.QUARANTINE) == 4


def test_an_unreadable_file_counts_as_a_file(source: Path, lake: Lake) -> None:
    (source / "events/c.parquet").write_bytes(b"PAR1 broken")
    summary = ingest(str(source), lake)
    assert summary.num_unreadable_files == 1
    assert summary.bad_fraction == 1 / 5
    assert lake.num_rows(Table.INTERACTIONS) == 300


def test_an_untimed_log_lies_in_its_own_partition(tmp_path: Path, lake: Lake) -> None:
    path = tmp_path / "log.csv"
    path.write_text("user_id,item_id\nu,i\nu,j\nu,i\n")
    summary = ingest(str(path), lake, IngestOptions(untimed=True))
    assert (summary.tables[Table.INTERACTIONS].new, summary.tables[Table.INTERACTIONS].known) == (2, 1)
    assert [day.isoformat() for day in lake.rows_by_date(Table.INTERACTIONS)] == ["1970-01-01"]


def test_the_command(source: Path, lake: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(source), "--lake", lake.uri]) == 0
    out = capsys.readouterr()
    assert "interactions           313         300          10         3" in out.out
    assert "interactions: reading 2 files" in out.err
    assert main([str(source), "--lake", lake.uri, "--json", "--max-bad-fraction", "0.001"]) == 1
    out = capsys.readouterr()
    assert json.loads(out.out)["tables"]["interactions"]["num_bad"] == 3
    assert "error: 1.2% of the source is bad; at most 0.1% may be." in out.err
    assert main([str(source / "nothing"), "--lake", lake.uri]) == 2
    assert "error: there is no file or folder" in capsys.readouterr().err


def test_s3_to_s3(source: Path, s3_endpoint: str) -> None:
    from cluster.storage import filesystem

    fs, root = filesystem("s3://shoal-test/ingest")
    fs.put(str(source), f"{root}/source", recursive=True)
    lake = Lake("s3://shoal-test/ingest/lake")
    ingest("s3://shoal-test/ingest/source", lake)
    check_source(lake)
    before = versions(lake)
    assert ingest("s3://shoal-test/ingest/source/events/*.csv", lake).num_new == 0
    assert versions(lake) == before


def test_ml_100k(shared_data: Path, lake: Lake) -> None:
    summary = ingest(str(shared_data / "ml-100k"), lake, IngestOptions("movielens"))
    assert (summary.num_read, summary.num_new) == (102_625, 102_625)
    titles = lake.read(Table.ITEMS, ["item_id", "title", "categories"]).to_pylist()
    (toy,) = [row for row in titles if row["item_id"] == "1"]
    assert (toy["title"], toy["categories"]) == ("Toy Story (1995)", ["Animation", "Children's", "Comedy"])


def test_ml_latest_small(shared_data: Path, lake: Lake) -> None:
    summary = ingest(str(shared_data / "ml-latest-small"), lake)
    assert summary.tables[Table.INTERACTIONS].new == 100_004
    assert (summary.tables[Table.ITEMS].read, lake.num_rows(Table.ITEMS)) == (9_125 + 1_296, 9_125)
    assert len(lake.rows_by_date(Table.INTERACTIONS)) == 3_840
    assert ingest(str(shared_data / "ml-latest-small"), lake).num_new == 0


def test_ml_1m(shared_data: Path, lake: Lake) -> None:
    options = IngestOptions("movielens", {"item_id": "movie_id"})
    summary = ingest(str(shared_data / "ml-1m"), lake, options)
    assert summary.num_bad == 0
    assert {table.value: counts.new for table, counts in summary.tables.items()} == {
        "items": 3_883, "users": 6_040, "interactions": 1_000_209,
    }  # fmt: skip
    events = pl.DataFrame(lake.read(Table.INTERACTIONS, ["rating", "context", "timestamp"]))
    assert events["rating"].null_count() == 301_945
    assert events["timestamp"].min() == datetime(2000, 4, 25, 23, 5, 32, tzinfo=UTC)
    positive = events["context"].str.json_path_match("$.positive")
    assert (positive == "true").sum() == 575_281


def test_what_a_source_does_not_say_of_availability_and_consent_stays(source: Path, lake: Lake) -> None:
    moment = datetime(2026, 1, 1, tzinfo=UTC)
    items = [{"item_id": "i0", "title": "Old", "available": False, "countries": ["NO"], "updated_at": moment}]
    users = [{"user_id": "u0", "personalization": False, "updated_at": moment}]
    lake.upsert(Table.ITEMS, pa.Table.from_pylist(items, ITEMS))
    lake.upsert(Table.USERS, pa.Table.from_pylist(users, USERS))
    ingest(str(source), lake)
    [item] = [row for row in lake.read(Table.ITEMS).to_pylist() if row["item_id"] == "i0"]
    assert (item["available"], item["countries"], item["title"] != "Old") == (False, ["NO"], True)
    [user] = [row for row in lake.read(Table.USERS).to_pylist() if row["user_id"] == "u0"]
    assert user["personalization"] is False
    before = versions(lake)
    assert ingest(str(source), lake).num_new == 0
    assert versions(lake) == before
    (source / "items.jsonl").write_text('{"item_id": "i0", "title": "New", "available": true}\n')
    ingest(str(source), lake)
    [item] = [row for row in lake.read(Table.ITEMS).to_pylist() if row["item_id"] == "i0"]
    assert (item["available"], item["countries"], item["title"]) == (True, ["NO"], "New")
