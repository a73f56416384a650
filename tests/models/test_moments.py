"""Hours and weekdays as the calendar has them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from models.moments import NUM_MOMENTS, moments
from models.user_state import EPOCH


def test_a_moment_is_its_hour_and_its_weekday_and_an_untimed_event_is_none() -> None:
    sunday = datetime(2026, 2, 1, 21, 59, 59, 999_999, tzinfo=UTC)
    made = moments(np.asarray([0, (sunday - EPOCH) // timedelta(microseconds=1), 1]))
    assert made.values.tolist() == [21, 24 + 6, 0, 24 + 3]  # 1970 began on a Thursday
    assert made.lengths.tolist() == [0, 2, 2]


@given(st.datetimes(datetime(1970, 1, 1, 1), datetime(2100, 1, 1)))
def test_every_moment_is_as_the_calendar_has_it(moment: datetime) -> None:
    now_us = (moment.replace(tzinfo=UTC) - EPOCH) // timedelta(microseconds=1)
    assert moments(np.asarray([now_us])).values.tolist() == [moment.hour, 24 + moment.weekday()]


def test_nobody_has_no_moment_and_the_last_row_is_sunday() -> None:
    assert moments(np.zeros(0, np.int64)).values.tolist() == []
    assert NUM_MOMENTS == 24 + 7
