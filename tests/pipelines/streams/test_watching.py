"""Files come, are written, are broken, come again: the lake holds each event once, whatever dies when."""

from __future__ import annotations

import json
import os
import time
from collections import Counter
from pathlib import Path
from threading import Event

import pytest

from cluster.delta.lake import Lake
from cluster.storage import filesystem
from models.errors import ConfigError, NotFoundError
from models.tables import Table
from pipelines.ingestion.ingesting import IngestOptions
from pipelines.streams.taken import TakenFiles
from pipelines.streams.watching import Look, Watch, watch
from pipelines.watch import main

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("ray_session")]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "logs"
    folder.mkdir()
    return folder


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(str(tmp_path / "lake"))


def lines(numbers: range) -> str:
    rows = [
        {"interaction_id": f"e{n}", "user_id": f"u{n % 3}", "item_id": f"i{n}", "ts": 1769860800 + n} for n in numbers
    ]
    return "".join(json.dumps(row) + "\n" for row in rows)


def write(path: Path, text: str, age_s: float = 60.0) -> None:
    """A file last written so long ago."""
    path.write_text(text)
    moment = time.time() - age_s
    os.utime(path, (moment, moment))


def look(source: Path | str, lake: Lake) -> list[Look]:
    """One look of a new process."""
    return list(Watch(str(source), lake, IngestOptions(mapping={"timestamp": "ts"}), settle_s=5).look())


def check(lake: Lake, num_events: int, *reasons: str) -> None:
    ids = lake.read(Table.INTERACTIONS)["interaction_id"].to_pylist()
    assert Counter(ids) == Counter(f"e{n}" for n in range(num_events))
    bad = lake.read(Table.QUARANTINE)["reason"].to_pylist()
    assert sorted(reason.split(":")[0] for reason in bad) == sorted(reasons)


def test_files_are_taken_as_they_come_and_bad_ones_do_not_stand_in_the_way(folder: Path, lake: Lake) -> None:
    write(folder / "a.jsonl", lines(range(3)) + '{"user_id": "u1"}\n')
    write(folder / "b.jsonl", '{"who": "u1", "what": "i1"}\n')
    write(folder / "c.jsonl.gz", "not packed at all")
    write(folder / "growing.jsonl", lines(range(3, 4)), age_s=0)
    write(folder / ".d.jsonl", lines(range(4, 6)))
    (first,) = look(folder, lake)
    assert (first.num_taken, first.waiting) == (3, 1)
    (refused,) = first.refused
    assert refused.source == str(folder / "b.jsonl")
    assert "has no column user_id; it has: who, what" in refused.reason
    check(lake, 3, "item_id", "columns", "file")
    # Written to its end; and one that is renamed into place.
    write(folder / "growing.jsonl", lines(range(3, 4)) + lines(range(4, 5)))
    (folder / ".d.jsonl").rename(folder / "d.jsonl")
    (second,) = look(folder, lake)
    assert (second.num_taken, second.waiting, second.refused) == (2, 0, ())
    check(lake, 6, "item_id", "columns", "file")
    assert look(folder, lake) == []


def test_a_crash_behind_the_commit_costs_a_reading_and_nothing_else(
    folder: Path, lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Crash(Exception):
        """The process ends here."""

    def crash(*_: object) -> None:
        raise Crash

    write(folder / "a.jsonl", lines(range(3)))
    write(folder / "b.jsonl", '{"who": "u1"}\n')
    with monkeypatch.context() as patch:
        patch.setattr(TakenFiles, "add", crash)
        with pytest.raises(Crash):
            look(folder, lake)
    check(lake, 3, "columns")
    version = lake.version(Table.INTERACTIONS)
    (again,) = look(folder, lake)
    assert again.summary is not None
    assert (again.num_taken, again.summary.num_new) == (2, 0)
    assert lake.version(Table.INTERACTIONS) == version
    check(lake, 3, "columns")


def test_a_prefix_of_s3(s3_endpoint: str, tmp_path: Path) -> None:
    lake, prefix = Lake("s3://shoal-test/watch/lake"), "s3://shoal-test/watch/logs"
    assert look(prefix, lake) == []
    fs, root = filesystem(prefix)
    fs.pipe_file(f"{root}/2026/a.jsonl", lines(range(2)).encode())
    assert [each.num_taken for each in look(prefix, lake)] == [1]
    fs.pipe_file(f"{root}/2026/a.jsonl", lines(range(4)).encode())
    fs.pipe_file(f"{root}/2026/b.jsonl", lines(range(4, 5)).encode())
    assert [each.num_taken for each in look(prefix, lake)] == [2]
    assert look(prefix, lake) == []
    check(lake, 5)


def test_the_loop_sees_what_comes_and_stops_when_it_is_told(folder: Path, lake: Lake) -> None:
    watched, stop, looks = Watch(str(folder), lake, IngestOptions(mapping={"timestamp": "ts"}), 0.2), Event(), []

    def seen(look: Look) -> None:
        looks.append(look.num_taken)
        if len(looks) == 1:
            (folder / "b.jsonl").write_text(lines(range(2, 4)))
        else:
            stop.set()

    (folder / "a.jsonl").write_text(lines(range(2)))
    watch(watched, 0.1, stop, seen)
    assert looks == [1, 1]
    check(lake, 4)


def test_the_command(folder: Path, lake: Lake, capsys: pytest.CaptureFixture[str]) -> None:
    write(folder / "a.jsonl", lines(range(3)))
    arguments = ["--source", str(folder), "--once", "--map", "timestamp=ts", "--lake", lake.uri]
    assert main(arguments) == 0
    assert capsys.readouterr().out == "1 files taken: 3 new rows, 0 bad\n"
    assert main(arguments) == 0
    assert capsys.readouterr().out == ""
    assert main([*arguments, "--source", str(folder / "nothing")]) == 2
    assert "error: there is no file or folder" in capsys.readouterr().err


def test_a_wrong_source_or_mapping_is_an_error(folder: Path, lake: Lake) -> None:
    with pytest.raises(NotFoundError):
        look(folder / "nothing", lake)
    with pytest.raises(ConfigError, match="Did you mean item_id"):
        Watch(str(folder), lake, IngestOptions(mapping={"itemid": "x"}), 1)
