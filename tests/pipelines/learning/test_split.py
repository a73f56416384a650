"""The split by worked examples: one letter an event, oldest first."""

from __future__ import annotations

from datetime import date, datetime, timezone

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.events import EventType
from pipelines.learning.data.split import CONTEXT, TEST, TRAIN, VALIDATION, Split, SplitConfig, resolve

LETTERS = {CONTEXT: ".", TRAIN: "t", VALIDATION: "v", TEST: "T"}


def events(items: str, user: str = "ann") -> pl.DataFrame:
    """Event n is a click on the item of letter n at n µs; a capital is a dislike of it."""
    types = [EventType.DISLIKE.value if item.isupper() else EventType.CLICK.value for item in items]
    columns = {
        "user_id": [user] * len(items),
        "item_id": list(items.lower()),
        "event_type": types,
        "timestamp_us": list(range(len(items))),
    }
    return pl.DataFrame(columns, schema_overrides={"timestamp_us": pl.Int64})


def labels(frame: pl.DataFrame, split: Split) -> str:
    return "".join(LETTERS[label] for label in split.label(frame)["label"])


LAST = Split("leave_last_out")


@pytest.mark.parametrize(
    ("items", "expected"),
    [
        ("abcde", "tttvT"),
        ("abc", "tvT"),
        ("ab", "tt"),  # too short to hold anything out
        ("a", "t"),
        ("abaca", "tv.T."),  # a repeat is context; the last *new* item tests
        ("aabbc", "tvT"),  # a repeat in a row is no event of its own
        ("abCd", "tvT"),  # a dislike is neither target nor history
        ("aBac", "tt"),  # without the dislike it is a, a, c
    ],
)
def test_leave_last_out(items: str, expected: str) -> None:
    assert labels(events(items), LAST) == expected


def test_users_are_split_apart() -> None:
    both = pl.concat([events("abc"), events("cab", user="bob")])
    assert labels(both, LAST) == "tvTtvT"


def test_a_time_split_cuts_everyone_at_the_same_moments() -> None:
    split = Split("time", validation_us=2, test_us=4)
    assert labels(events("abcdef"), split) == "ttvvTT"
    assert labels(events("abcabd"), split) == "ttv..T"


def test_no_split_trains_on_every_new_item() -> None:
    assert labels(events("abab"), Split("none")) == "tt.."


def test_the_moments_are_starts_of_days() -> None:
    rows = {date(2026, 1, 1): 80, date(2026, 1, 2): 10, date(2026, 1, 3): 4, date(2026, 1, 4): 6}
    split = resolve(SplitConfig("time", test_fraction=0.1), rows)
    # 10 of 100 events test: days 4 and 3. 20 are held out in all: day 2 too.
    assert split.test_us == datetime(2026, 1, 3, tzinfo=timezone.utc).timestamp() * 1e6
    assert split.validation_us == datetime(2026, 1, 2, tzinfo=timezone.utc).timestamp() * 1e6


@given(st.lists(st.text("abcdeABC", min_size=1, max_size=12), min_size=1, max_size=4))
def test_held_out_items_were_never_seen_before(logs: list[str]) -> None:
    frame = pl.concat([events(log, user=str(n)) for n, log in enumerate(logs)])
    labelled = LAST.label(frame)
    for user in labelled.partition_by("user_id", maintain_order=True):
        items, parts = user["item_id"].to_list(), user["label"].to_list()
        targets = [item for item, part in zip(items, parts, strict=True) if part != CONTEXT]
        assert targets == list(dict.fromkeys(items))
        held_out = [part for part in parts if part in (VALIDATION, TEST)]
        assert held_out == ([VALIDATION, TEST] if len(targets) >= 3 else [])
