"""Days and moments as they are written, in microseconds since 1970, UTC."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from models.user_state import EPOCH

DAY_US = 86_400_000_000


def time_us(text: str) -> int:
    """A day (2026-01-31, its first moment in UTC) or a moment with its zone; `ValueError` for anything else."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        if len(text) != len("2026-01-31"):
            raise ValueError("a moment has a zone")
        moment = moment.replace(tzinfo=UTC)
    return (moment - EPOCH) // timedelta(microseconds=1)


def day_us(text: str) -> int:
    """The first moment of the day in UTC on which `time_us` lies: the lake keeps days of release."""
    return time_us(text) // DAY_US * DAY_US
