"""Spellings of a time, and the unit that a sample decides."""

from __future__ import annotations

from datetime import UTC, datetime

import polars as pl
import pytest

from pipelines.ingestion.timestamps import TimeUnit, guess_unit, microseconds

US = int(datetime(2026, 1, 31, 12, 0, 0, 250_000, UTC).timestamp() * 1e6)
WHOLE = US - 250_000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-01-31T12:00:00Z", WHOLE),
        ("2026-01-31T12:00:00.250Z", US),
        ("2026-01-31T12:00:00.250000", US),
        ("2026-01-31 12:00:00", WHOLE),
        ("2026-01-31 12:00", WHOLE),
        ("2026-01-31T13:00:00+01:00", WHOLE),
        ("2026-01-31 07:00:00.25-0500", US),
        ("2026-01-31", WHOLE - 12 * 3600 * 1_000_000),
        ("  2026-01-31T12:00:00Z ", WHOLE),
        ("31.01.2026", None),
        ("2026-02-30", None),
        ("noon", None),
    ],
)
def test_texts(text: str, expected: int | None) -> None:
    # Beside other spellings: one column may hold several.
    values = pl.Series(["1769860800", text, None, "2026-01-31T12:00:00Z"])
    assert microseconds(values, "s").to_list() == [WHOLE, expected, None, WHOLE]


@pytest.mark.parametrize(("unit", "number"), [("s", 1769860800), ("ms", 1769860800_000), ("us", 1769860800_000_000)])
def test_numbers(unit: TimeUnit, number: int) -> None:
    for values in (pl.Series([number]), pl.Series([float(number)]), pl.Series([str(number)])):
        assert microseconds(values, unit).to_list() == [WHOLE]
        assert guess_unit(values) == unit


def test_fractions_of_a_second() -> None:
    assert microseconds(pl.Series(["1769860800.25", "1769860800"]), "s").to_list() == [US, WHOLE]
    assert microseconds(pl.Series([1769860800.25, float("nan")]), "s").to_list() == [US, None]


def test_numbers_beyond_all_time_stay_beyond() -> None:
    late = microseconds(pl.Series(["1" * 18, "9" * 30, "-" + "9" * 30]), "s").to_list()
    assert late[0] > 2**61
    assert late[1] > 2**61
    assert late[2] < -(2**61)


def test_one_stray_number_does_not_decide() -> None:
    assert guess_unit(pl.Series(["1769860800", "1769860801", "1769860800000000", "x", None])) == "s"
    assert guess_unit(pl.Series(["2026-01-31", None])) is None
    assert guess_unit(pl.Series([datetime(2026, 1, 31)])) is None
