"""Events of one moment stay in the order of their file: logs of seconds or days say nothing else of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.pipelines.ingestion.checked import checked

DAY = datetime(2026, 1, 31, tzinfo=UTC)
US = timedelta(microseconds=1)


def times(folder: Path, rows: list[str]) -> list[datetime]:
    (folder / "log.csv").write_text("\n".join(["user_id,item_id,timestamp", *rows]))
    return checked(folder / "log.csv")["timestamp"].to_list()


def test_each_user_s_events_of_a_day_follow_each_other(tmp_path: Path) -> None:
    rows = ["u,c,2026-01-31", "v,z,2026-01-31", "u,a,2026-01-31", "u,b,2026-02-01", "u,d,2026-01-31"]
    assert times(tmp_path, rows) == [DAY, DAY, DAY + US, DAY + timedelta(days=1), DAY + 2 * US]


def test_a_time_that_is_finer_than_a_second_stays(tmp_path: Path) -> None:
    rows = ["u,c,2026-01-31T00:00:00.5Z", "u,a,2026-01-31T00:00:00.5Z"]
    assert times(tmp_path, rows) == [DAY + timedelta(seconds=0.5)] * 2


def test_the_same_event_keeps_its_id_wherever_it_stands(tmp_path: Path) -> None:
    ids = []
    for rows in (["u,a,2026-01-31", "u,b,2026-01-31"], ["u,b,2026-01-31", "u,a,2026-01-31"]):
        (tmp_path / "log.csv").write_text("\n".join(["user_id,item_id,timestamp", *rows]))
        found = checked(tmp_path / "log.csv").sort("item_id")
        ids.append(found["interaction_id"])
    assert ids[0].equals(ids[1])
