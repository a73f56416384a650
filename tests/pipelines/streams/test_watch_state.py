"""What a watch knows of its files: whole or not, taken or not. And when it is asked to stop."""

from __future__ import annotations

import argparse
import signal
from pathlib import Path

import pytest

from cluster.delta.lake import Lake
from models.errors import InputError
from models.tables import Table
from pipelines.ingestion.layout import Layout, SourceFile
from pipelines.streams.durations import seconds
from pipelines.streams.settling import Settling
from pipelines.streams.stopping import stop_on_signals
from pipelines.streams.taken import TakenFiles


def file(uri: str, stamp: str = "1", modified_s: float | None = None, num_bytes: int = 10) -> SourceFile:
    return SourceFile(uri, Table.INTERACTIONS, Layout("jsonl"), num_bytes, stamp=stamp, modified_s=modified_s)


def test_a_file_is_whole_once_it_rests() -> None:
    settling = Settling(settle_s=5)
    assert settling.whole([file("a", "1", 99.0)], now_s=100.0) == []
    assert settling.whole([file("a", "2", 104.0)], now_s=105.0) == []
    assert len(settling.whole([file("a", "2", 104.0)], now_s=109.0)) == 1
    # Another clock wrote it, an hour ahead: how long it was seen unchanged decides.
    assert settling.whole([file("b", "1", 3_700.0)], now_s=109.0) == []
    assert len(settling.whole([file("b", "1", 3_700.0)], now_s=114.0)) == 1
    assert settling.whole([file("b", "2", 3_700.0)], now_s=115.0) == []


def test_an_old_file_and_an_object_are_whole_at_first_sight_but_an_empty_one_never() -> None:
    old, stored, empty = file("old", modified_s=10.0), file("s3://b/x"), file("empty", modified_s=10.0, num_bytes=0)
    assert Settling(settle_s=5).whole([old, stored, empty], now_s=100.0) == [old, stored]


def test_what_was_taken_is_known_to_the_next_process(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "lake"))
    TakenFiles(lake, "logs").add([file("a"), file("b")])
    again = TakenFiles(lake, "logs")
    assert file("a") in again
    assert file("a", stamp="2") not in again
    assert file("a") not in TakenFiles(lake, "other")
    again.forget_all_but({"b"})
    again.add([file("c")])
    last = TakenFiles(lake, str(Path("logs").absolute()))
    assert [name for name in "abc" if file(name) in last] == ["b", "c"]


def test_a_broken_memory_says_what_to_do(tmp_path: Path) -> None:
    lake = Lake(str(tmp_path / "lake"))
    TakenFiles(lake, "logs").add([file("a")])
    (path,) = (tmp_path / "lake/_watch").iterdir()
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(InputError, match=r"is unreadable: .*Remove it"):
        TakenFiles(lake, "logs")


@pytest.mark.parametrize(
    ("text", "expected"), [("10s", 10.0), ("500ms", 0.5), ("5 m", 300.0), ("1h", 3600.0), ("7", 7.0)]
)
def test_spans_of_time(text: str, expected: float) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("text", ["", "ten", "-1s", "5d"])
def test_what_is_no_span(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="write 10s"):
        seconds(text)


def test_a_signal_is_a_wish_and_the_second_an_order() -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # whatever ran in this process before
    with stop_on_signals() as stop:
        signal.raise_signal(signal.SIGTERM)
        assert stop.wait(5)
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
    assert signal.signal(signal.SIGINT, before) is signal.default_int_handler
