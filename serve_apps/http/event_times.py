"""How far from now the time of an event sent over HTTP may lie. Old logs come in by `shoal ingest`, which takes any."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from models.errors import InputError
from models.events import MAX_CLOCK_SKEW


@dataclass(frozen=True, slots=True)
class EventTimes:
    """The two bounds."""

    max_clock_skew: timedelta = MAX_CLOCK_SKEW
    max_lateness: timedelta = timedelta(days=365)

    def check(self, moment: datetime, now: datetime) -> None:
        """`InputError` for a time that only a wrong clock or an old log has."""
        age = now - moment
        if age > self.max_lateness:
            raise InputError(
                f"timestamp {moment.isoformat()} is {age.days} days old; at most "
                f"{self.max_lateness / timedelta(days=1):g} are taken here. "
                "Check its unit; bring old logs in with shoal ingest."
            )
        if -age > self.max_clock_skew:
            raise InputError(
                f"timestamp {moment.isoformat()} is {-age} ahead of this server's clock; at most "
                f"{self.max_clock_skew.total_seconds():g} s are taken. Check the clock, or send none."
            )
