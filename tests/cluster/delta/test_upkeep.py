"""Upkeep on a local folder and on S3: rows stay what they were, while others write, and what goes is what may go."""

from __future__ import annotations

import os
import threading
import time
import uuid
from collections import Counter
from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from cluster.delta import vacuum
from cluster.delta.lake import AppTransaction, Lake
from cluster.delta.log import PROPERTIES
from cluster.delta.parts import write_part
from cluster.storage import Folder
from models.errors import NotFoundError
from models.events import UNTIMED_DATE
from models.tables import TABLES, Table
from tests.cluster.delta.lake_rows import DAY, NOON, age, events, ids, wait_a_moment

pytestmark = pytest.mark.slow

NOTHING = timedelta(0)
NEXT = DAY + timedelta(1)


@pytest.fixture(params=["folder", pytest.param("s3", marks=pytest.mark.slow)])
def lake(request: pytest.FixtureRequest, tmp_path: Path) -> Lake:
    if request.param == "folder":
        return Lake(str(tmp_path / "lake"))
    request.getfixturevalue("s3_endpoint")
    return Lake(f"s3://shoal-test/{uuid.uuid4().hex}")


@pytest.fixture
def local(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


def filled(lake: Lake) -> Lake:
    """Two days of three files each."""
    for day, names in ((DAY, "abc"), (NEXT, "def")):
        for name in names:
            lake.append(Table.INTERACTIONS, events(name, day=day), AppTransaction("w", ord(name)))
    return lake


def files(lake: Lake) -> list[str]:
    """Data files that lie in the folder of the interactions."""
    found = Folder(lake.table_uri(Table.INTERACTIONS)).files()
    return [name for name in found if not name.startswith("_delta_log")]


def log(lake: Lake) -> bytes:
    """All that the log of the interactions holds."""
    return b"".join(file.read_bytes() for file in Path(lake.table_uri(Table.INTERACTIONS)).glob("_delta_log/*"))


def test_compaction_makes_one_file_a_day_of_the_same_rows(lake: Lake) -> None:
    before = filled(lake).read(Table.INTERACTIONS).sort_by("interaction_id")
    lake.compact(Table.INTERACTIONS, {DAY})
    assert sorted(part.day for part in lake.parts(Table.INTERACTIONS)) == [DAY, NEXT, NEXT, NEXT]
    lake.compact(Table.INTERACTIONS)
    assert [part.num_rows for part in lake.parts(Table.INTERACTIONS)] == [3, 3]
    assert lake.rows_by_date(Table.INTERACTIONS) == {DAY: 3, NEXT: 3}
    assert lake.read(Table.INTERACTIONS).sort_by("interaction_id").equals(before)
    version = lake.version(Table.INTERACTIONS)
    lake.compact(Table.INTERACTIONS)
    assert lake.version(Table.INTERACTIONS) == version
    assert lake.applied(Table.INTERACTIONS, "w") == ord("f")


def test_nothing_is_lost_or_doubled_while_others_write(lake: Lake) -> None:
    filled(lake)
    batches, failures = 3 if lake.uri.startswith("s3:") else 12, list[BaseException]()

    def stream() -> None:
        for n in range(batches):
            batch = AppTransaction("sink", n, after=n - 1)
            assert lake.append(Table.INTERACTIONS, events(f"s{n}"), batch)
            assert not lake.append(Table.INTERACTIONS, events(f"s{n}"), batch)  # it was sent again

    def ingest() -> None:
        for n in range(batches):
            while not lake.commit(
                Table.INTERACTIONS,
                [write_part(lake.table_uri(Table.INTERACTIONS), events(f"p{n}", day=NEXT), NEXT)],
                AppTransaction("ingest", n, after=n - 1),
            ):
                pass

    def erase() -> None:
        for n in range(batches // 3):
            lake.append(Table.INTERACTIONS, events(f"e{n}", user=f"gone{n}"))
            assert lake.erase(Table.INTERACTIONS, "user_id", [f"gone{n}"]) == 1

    def run(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            failures.append(error)

    writers = [threading.Thread(target=run, args=[work]) for work in (stream, ingest, erase)]
    for writer in writers:
        writer.start()
    compactions = 0
    while any(writer.is_alive() for writer in writers):
        version = lake.version(Table.INTERACTIONS)
        lake.compact(Table.INTERACTIONS)
        lake.vacuum(Table.INTERACTIONS, keep=NOTHING)
        compactions += lake.version(Table.INTERACTIONS) > version
    for writer in writers:
        writer.join()
    assert failures == []
    assert compactions > 0
    expected = [*"abcdef", *(f"{kind}{n}" for kind in "sp" for n in range(batches))]
    assert Counter(ids(lake)) == Counter(expected)


def test_an_upsert_and_a_compaction_at_once(lake: Lake) -> None:
    schema = TABLES[Table.ITEMS].schema

    def items(titles: dict[str, str]) -> pa.Table:
        rows = [{"item_id": key, "title": title, "updated_at": NOON} for key, title in titles.items()]
        return pa.Table.from_pylist(rows, schema)

    for n in range(3):
        lake.append(Table.ITEMS, items({f"i{n}": "old"}))
    compacting = threading.Thread(target=lambda: [lake.compact(Table.ITEMS) for _ in range(8)])
    compacting.start()
    for n in range(8):
        lake.upsert(Table.ITEMS, items({"i0": f"new {n}", f"added{n}": "new"}))
    compacting.join()
    rows = {row["item_id"]: row["title"] for row in lake.read(Table.ITEMS).to_pylist()}
    assert lake.num_rows(Table.ITEMS) == len(rows) == 11
    assert (rows["i0"], rows["i1"], rows["added7"]) == ("new 7", "old", "new")


def test_a_vacuum_leaves_what_the_kept_versions_are_made_of(lake: Lake) -> None:
    filled(lake)
    before = ids(lake)
    named = lake.version(Table.INTERACTIONS) - 3
    lake.compact(Table.INTERACTIONS)
    assert lake.vacuum(Table.INTERACTIONS).after.num_files == 8  # all is of this week
    wait_a_moment()
    tried = lake.vacuum(Table.INTERACTIONS, keep=NOTHING, keep_versions=[named], dry_run=True)
    assert (tried.before.num_files, tried.after.num_files, len(files(lake))) == (8, 5, 8)
    done = lake.vacuum(Table.INTERACTIONS, keep=NOTHING, keep_versions=[named])
    assert (done.after.num_files, len(files(lake))) == (5, 5)
    assert 0 < done.after.num_bytes < done.before.num_bytes
    assert ids(lake, version=named) == ["a", "b", "c"]
    assert ids(lake) == before
    assert lake.broken(Table.INTERACTIONS, [named, named + 1, named + 4]) == {named + 1}
    lake.vacuum(Table.INTERACTIONS, keep=NOTHING)
    assert len(files(lake)) == 2
    assert ids(lake) == before
    gone = lake.pinned({"interactions": named})
    for read in (lambda: gone.read(Table.INTERACTIONS), lambda: list(gone.batches(Table.INTERACTIONS, ["user_id"]))):
        with pytest.raises(NotFoundError, match=rf"version {named} of table interactions .* vacuum has removed"):
            read()
    with pytest.raises(NotFoundError, match="Take a newer version"):
        gone.check_readable()
    lake.pinned().check_readable()


def test_a_running_ingest_keeps_its_files_and_a_crashed_one_loses_them(lake: Lake) -> None:
    filled(lake)
    uri = lake.table_uri(Table.INTERACTIONS)
    part = write_part(uri, events("x"), DAY)
    lake.vacuum(Table.INTERACTIONS, keep=NOTHING)
    assert part.path in files(lake)
    assert lake.commit(Table.INTERACTIONS, [part], AppTransaction("ingest", 0, after=-1))
    crashed = write_part(uri, events("y"), DAY)
    assert crashed.path in files(lake)
    time.sleep(1.1)  # S3 knows when a file was written to the second
    lake.vacuum(Table.INTERACTIONS, keep=NOTHING, safe_age=NOTHING)
    assert crashed.path not in files(lake)
    assert ids(lake) == [*"abcdefx"]


def test_days_are_dropped_whole_and_untimed_events_stay(lake: Lake) -> None:
    filled(lake)
    lake.append(Table.INTERACTIONS, events("untimed", day=UNTIMED_DATE))
    version = lake.version(Table.INTERACTIONS)
    assert lake.drop_days(Table.INTERACTIONS, NEXT) == 3
    assert lake.version(Table.INTERACTIONS) == version + 1
    assert lake.drop_days(Table.INTERACTIONS, NEXT) == 0
    assert ids(lake) == ["d", "e", "f", "untimed"]


def test_old_rows_of_a_table_without_days_are_dropped(lake: Lake) -> None:
    rows = [
        {"quarantine_id": str(n), "table": "items", "source_file": "f", "reason": "json: x", "quarantined_at": moment}
        for n, moment in enumerate([NOON, NOON + timedelta(days=2)])
    ]
    lake.append(Table.QUARANTINE, pa.Table.from_pylist(rows, TABLES[Table.QUARANTINE].schema))
    assert lake.drop_rows(Table.QUARANTINE, "quarantined_at", NOON + timedelta(days=1)) == 1
    assert lake.read(Table.QUARANTINE)["quarantine_id"].to_pylist() == ["1"]
    assert lake.drop_rows(Table.EXPOSURES, "timestamp", NOON) == 0


@pytest.mark.parametrize("user", ["u7", "o'neill", "a\\' OR 1=1 --", 'say "hi"', "naïve ☃\n%_"])
def test_an_erased_user_is_nowhere(local: Lake, user: str) -> None:
    local.append(Table.INTERACTIONS, events("mine", "mine too", user=user))
    local.append(Table.INTERACTIONS, events("mine as well", day=NEXT, user=user))
    local.append(Table.INTERACTIONS, events("theirs", user="somebody else"))
    local.compact(Table.INTERACTIONS)
    assert local.erase(Table.INTERACTIONS, "user_id", [user]) == 3
    assert local.erase(Table.INTERACTIONS, "user_id", [user]) == 0
    assert ids(local) == ["theirs"]
    wait_a_moment()
    local.vacuum(Table.INTERACTIONS, keep=NOTHING)
    assert len(files(local)) == 1
    assert b"somebody else" not in log(local)  # nor would the erased id be


def test_erasure_on_s3_and_of_what_is_not_there(lake: Lake) -> None:
    assert lake.erase(Table.INTERACTIONS, "user_id", ["u"]) == 0
    filled(lake)
    lake.append(Table.INTERACTIONS, events("x", user="o'neill"))
    assert lake.erase(Table.INTERACTIONS, "no_such_column", ["u"]) == 0
    assert lake.erase(Table.INTERACTIONS, "user_id", ["o'neill"]) == 1
    wait_a_moment()
    lake.vacuum(Table.INTERACTIONS, keep=NOTHING)
    assert (len(files(lake)), ids(lake)) == (6, [*"abcdef"])


def test_a_version_of_the_kept_week_stays_though_its_files_are_old(local: Lake) -> None:
    """Files of a month ago, compacted three weeks ago, and again yesterday: the last eight days can be read."""
    filled(local)
    first = local.version(Table.INTERACTIONS)
    age(local, Table.INTERACTIONS, 9)
    local.compact(Table.INTERACTIONS)
    last_month = local.version(Table.INTERACTIONS)
    age(local, Table.INTERACTIONS, 20)
    local.append(Table.INTERACTIONS, events("g"), AppTransaction("w", ord("g")))
    local.compact(Table.INTERACTIONS)
    age(local, Table.INTERACTIONS, 1)
    crashed = write_part(local.table_uri(Table.INTERACTIONS), events("y"), DAY)
    os.utime(Path(local.table_uri(Table.INTERACTIONS)) / crashed.path, (time.time() - 9 * 86_400,) * 2)
    local.vacuum(Table.INTERACTIONS)
    assert crashed.path not in files(local)
    assert local.broken(Table.INTERACTIONS, [first, last_month]) == {first}
    assert (ids(local, version=last_month), ids(local)) == ([*"abcdef"], [*"abcdefg"])


def test_the_log_is_cut_behind_what_is_kept(local: Lake) -> None:
    filled(local)
    named = local.version(Table.INTERACTIONS)
    table = local.table_uri(Table.INTERACTIONS)
    DeltaTable(table).create_checkpoint()
    age(local, Table.INTERACTIONS, 40)
    local.append(Table.INTERACTIONS, events("g"))
    DeltaTable(table).create_checkpoint()
    local.compact(Table.INTERACTIONS)
    age(local, Table.INTERACTIONS, 10)
    assert local.vacuum(Table.INTERACTIONS, keep_versions=[named]).num_log_files == named
    assert ids(local, version=named) == [*"abcdef"]
    assert local.vacuum(Table.INTERACTIONS).num_log_files > 0
    assert ids(local) == [*"abcdefg"]
    with pytest.raises(NotFoundError, match="vacuum has removed"):
        local.read(Table.INTERACTIONS, version=named)
    assert local.applied(Table.INTERACTIONS, "w") == ord("f")
    assert local.append(Table.INTERACTIONS, events("h"), AppTransaction("w", ord("h")))
    assert len(local.history(Table.INTERACTIONS)) == 2


def test_the_log_of_today_is_never_cut(local: Lake) -> None:
    """A writer that began an hour ago must find the commits since, or it would commit into a gap."""
    filled(local)
    DeltaTable(local.table_uri(Table.INTERACTIONS)).create_checkpoint()
    assert local.vacuum(Table.INTERACTIONS, keep=NOTHING).num_log_files == 0


def test_an_interrupted_vacuum_goes_on(local: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vacuum, "_FILES_A_STEP", 2)
    filled(local).compact(Table.INTERACTIONS)
    wait_a_moment()

    def stop(done: int, due: int) -> None:
        raise KeyboardInterrupt(done, due)

    with pytest.raises(KeyboardInterrupt, match="2, 6"):
        local.vacuum(Table.INTERACTIONS, keep=NOTHING, on_removed=stop)
    assert len(files(local)) == 6
    assert local.vacuum(Table.INTERACTIONS, keep=NOTHING).after.num_files == 2
    assert ids(local) == [*"abcdef"]


def test_a_table_of_an_older_shoal_gets_its_properties(local: Lake) -> None:
    schema, uri = TABLES[Table.INTERACTIONS].schema, local.table_uri(Table.INTERACTIONS)
    DeltaTable.create(uri, schema, partition_by=["date"])
    filled(local)
    local.append(Table.INTERACTIONS, events("x", user="somebody"))
    local.erase(Table.INTERACTIONS, "user_id", ["somebody"])
    assert b"somebody" in log(local)  # the least and the greatest id of a file
    local.vacuum(Table.INTERACTIONS, keep=NOTHING)
    assert PROPERTIES.items() <= DeltaTable(uri).metadata().configuration.items()
    version = local.version(Table.INTERACTIONS)
    age(local, Table.INTERACTIONS, 2)
    local.vacuum(Table.INTERACTIONS, keep=NOTHING)
    assert local.version(Table.INTERACTIONS) == version
    assert b"somebody" not in log(local)
    assert ids(local) == [*"abcdef"]


def test_arrivals_are_what_was_appended_and_not_what_was_rewritten(lake: Lake) -> None:
    filled(lake)
    lake.commit(
        Table.INTERACTIONS,
        [write_part(lake.table_uri(Table.INTERACTIONS), events("g", "h"), DAY)],
        AppTransaction("ingest", 0),
    )
    lake.compact(Table.INTERACTIONS)
    lake.erase(Table.INTERACTIONS, "item_id", ["a"])
    arrived: Counter[date | None] = Counter()
    for arrival in lake.arrivals(Table.INTERACTIONS, datetime.now(NOON.tzinfo) - timedelta(hours=1)):
        arrived[arrival.day] += arrival.num_rows
    assert arrived == {DAY: 5, NEXT: 3}
    assert lake.arrivals(Table.INTERACTIONS, datetime.now(NOON.tzinfo) + timedelta(hours=1)) == []
