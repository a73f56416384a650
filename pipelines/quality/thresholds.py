"""What a figure of the data report may be before a retraining stops."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

from models.errors import ConfigError
from pipelines.overrides import unknown_key

SMALLEST = frozenset({"volume"})
"""Figures that may not be smaller; all others may not be larger."""

_ADVICE = {
    "duplicates": "find the writer that bypasses shoal ingest and the event sink, which keep each id once",
    "repeats": "let the application send one id for one event, so that a retry is not a second event",
    "unknown_items": "ingest the catalogue (items.*), or wait until it is complete",
    "unknown_users": "ingest the users (users.*)",
    "future": "mend the clock or the time unit of the source (shoal ingest --time-unit)",
    "late": "look at what holds events back between the application and the lake",
    "quarantined": "look at the reasons in the quarantine table, mend the source and ingest it again",
    "volume": "look for a source that has stopped: the days and types in the report say which",
    "null_change": "look for a writer that fills a column no more, or begins to: the report names the columns",
    "drift_types": "look for a type of event that is no longer sent, or is sent twice as often",
    "drift_countries": "look for a market that has gone or come",
    "drift_popularity": "look for a catalogue whose ids changed, or for one item that takes all events",
}


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The largest value of each figure (of `volume` the smallest); None: it is not judged.

    Shares are of 1. Figures of weeks are judged only when both weeks have events enough.
    """

    duplicates: float | None = 0.01
    repeats: float | None = 0.2
    unknown_items: float | None = 0.2
    unknown_users: float | None = None  # visitors without a profile are no fault
    future: float | None = 0.01
    late: float | None = None  # a log of past days is late as a whole
    quarantined: float | None = 0.1
    volume: float | None = 0.3
    null_change: float | None = 0.5
    drift_types: float | None = 0.25
    drift_countries: float | None = 0.25
    drift_popularity: float | None = 0.25


@dataclass(frozen=True, slots=True)
class Breach:
    """A figure past its threshold."""

    figure: str
    value: float
    threshold: float

    def __str__(self) -> str:
        side = "at least" if self.figure in SMALLEST else "at most"
        advice = _ADVICE[self.figure]
        return f"{self.figure} is {self.value:.4g}, {side} {self.threshold:g} may be: {advice}"


def with_limits(given: Sequence[str]) -> Thresholds:
    """The defaults with each `name=value` set; `name=none` is not judged."""
    thresholds, known = Thresholds(), [field.name for field in fields(Thresholds)]
    for text in given:
        name, separator, value = text.partition("=")
        if not separator:
            raise ConfigError(f"--fail-on {text!r} has no '='. For example: --fail-on future=0.05, or future=none")
        if name not in known:
            raise unknown_key(name, known)
        thresholds = replace(thresholds, **{name: _limit(name, value)})
    return thresholds


def breaches(figures: Mapping[str, float | None], thresholds: Thresholds) -> list[Breach]:
    """Figures that are past their threshold; one that is not known is not judged."""
    found = []
    for name in (field.name for field in fields(thresholds)):
        value, limit = figures[name], getattr(thresholds, name)
        if value is not None and limit is not None and (value < limit if name in SMALLEST else value > limit):
            found.append(Breach(name, value, limit))
    return found


def _limit(name: str, value: str) -> float | None:
    if value == "none":
        return None
    try:
        limit = float(value)
    except ValueError:
        limit = -1.0
    if not 0 <= limit < float("inf"):
        raise ConfigError(f"--fail-on {name}={value}: a number from 0 on is needed, or none.")
    return limit
