"""The data report: every figure of the lake's events, measured once for the terminal, the file and the checks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import polars as pl

from cluster.delta.lake import Lake
from models.events import UNTIMED_DATE
from models.tables import TABLES, Table
from pipelines.quality.drift import EARLIER, WEEKS, category_drift, popularity_drift
from pipelines.quality.key_sample import KeySample
from pipelines.quality.tally import NULLABLE, Tally, hashed, tally

DAYS = 28
"""Newest days that are read unless asked for others: four weeks."""
MIN_WEEK_EVENTS = 1_000
"""Of either week, before their difference means anything."""
_ARRIVED = timedelta(days=7)
_GRACE = timedelta(days=1)
"""An event is late when it arrives more than that after the end of its day."""
_QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99}


@dataclass(frozen=True, slots=True)
class DataReport:
    """Shares are of 1. `figures` are what thresholds judge; None: not known of this lake.

    by_day: (day, event type, events). nulls: by column, shares of each week and of all. sampled: one key of so many was
    counted. per_user, per_item: events of one, as mean, quantiles and maximum. quarantine: rows by table and reason.
    """

    lake: str
    versions: dict[str, int]
    measured_at: str
    first_day: str
    last_day: str
    num_events: int
    num_users: int
    num_items: int
    tables: dict[str, dict[str, int]]
    by_day: list[tuple[str, str, int]]
    weeks: dict[str, int]
    nulls: dict[str, dict[str, float | None]]
    per_user: dict[str, float]
    per_item: dict[str, float]
    sampled: dict[str, int]
    max_lead_s: float
    quarantine: dict[str, int]
    figures: dict[str, float | None]

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as `report.json` holds it."""
        return asdict(self)


def measure(lake: Lake, days: int | None = DAYS, now: datetime | None = None) -> DataReport | None:
    """Measure the newest `days` of a pinned lake (None: all, and events without a time); None without any event."""
    now = now or datetime.now(UTC)
    rows_by_date = lake.rows_by_date(Table.INTERACTIONS)
    if not sum(rows_by_date.values()):
        return None
    last_day = max(day for day, rows in rows_by_date.items() if rows)
    first_day = None if days is None or last_day == UNTIMED_DATE else last_day - timedelta(days - 1)
    counted = tally(lake, first_day, last_day, now)
    weeks, nulls = _weeks(counted), _nulls(counted)
    quarantine, num_quarantined = _quarantine(lake, now)
    arrived, late = _arrived(lake, now)
    figures = {
        "duplicates": _share_beyond_first(counted.ids),
        "repeats": _share_beyond_first(counted.repeats),
        "unknown_items": _unknown(lake, Table.ITEMS, counted.items),
        "unknown_users": _unknown(lake, Table.USERS, counted.users),
        "future": counted.num_future / counted.num_events,
        "late": late / arrived if arrived else None,
        "quarantined": num_quarantined / (arrived + num_quarantined) if arrived + num_quarantined else None,
        **_changes(counted, weeks, nulls),
    }
    samples = {"users": counted.users, "items": counted.items, "ids": counted.ids, "repeats": counted.repeats}
    return DataReport(
        lake=lake.uri,
        versions=lake.versions,
        measured_at=now.isoformat(timespec="seconds"),
        first_day=max(first_day or date.min, min(rows_by_date)).isoformat(),
        last_day=last_day.isoformat(),
        num_events=counted.num_events,
        num_users=counted.users.num_keys,
        num_items=counted.items.num_keys,
        tables=_tables(lake),
        by_day=_by_day(counted),
        weeks=weeks,
        nulls=nulls,
        per_user=_spread(counted.users),
        per_item=_spread(counted.items),
        sampled={name: 1 << sample.level for name, sample in samples.items()},
        max_lead_s=counted.max_lead_s,
        quarantine=quarantine,
        figures=figures,
    )


def _tables(lake: Lake) -> dict[str, dict[str, int]]:
    found = {}
    for table in Table:
        if lake.exists(table):
            parts = lake.parts(table)
            found[table.value] = {
                "version": lake.version(table),
                "rows": sum(part.num_rows for part in parts),
                "files": len(parts),
                "bytes": sum(part.num_bytes for part in parts),
            }
    return found


def _by_day(counted: Tally) -> list[tuple[str, str, int]]:
    summed = pl.concat(counted.by_day).group_by("date", "event_type").agg(pl.col("num").sum())
    return [(day.isoformat(), kind, num) for day, kind, num in summed.sort("date", "event_type").iter_rows()]


def _weeks(counted: Tally) -> dict[str, int]:
    summed = pl.concat(counted.nulls).group_by("period").agg(pl.col("num").sum())
    found = dict(summed.iter_rows())
    return {name: int(found.get(name, 0)) for name in WEEKS}


def _nulls(counted: Tally) -> dict[str, dict[str, float | None]]:
    summed = pl.concat(counted.nulls).group_by("period").agg(pl.col("num", *NULLABLE).sum())
    rows = {row["period"]: row for row in summed.iter_rows(named=True)}
    whole = summed.drop("period").sum().row(0, named=True)

    def share(row: Mapping[str, int] | None, name: str) -> float | None:
        return row[name] / row["num"] if row else None

    return {
        name: {"all": share(whole, name), **{week: share(rows.get(week), name) for week in WEEKS}} for name in NULLABLE
    }


def _changes(
    counted: Tally, weeks: Mapping[str, int], nulls: Mapping[str, Mapping[str, float | None]]
) -> dict[str, float | None]:
    names = ("volume", "null_change", "drift_types", "drift_countries", "drift_popularity")
    if min(weeks.values()) < MIN_WEEK_EVENTS or counted.last_day == UNTIMED_DATE:
        return dict.fromkeys(names)
    of_types = _by_type(counted)
    countries, items = counted.countries.sums(), counted.items.sums()
    change = max(abs((shares[WEEKS[1]] or 0.0) - (shares[WEEKS[0]] or 0.0)) for shares in nulls.values())
    enough_countries = len(countries) and min(countries[week].sum() for week in WEEKS) >= MIN_WEEK_EVENTS
    enough_earlier = items[EARLIER].sum() >= MIN_WEEK_EVENTS
    return dict(
        zip(
            names,
            (
                weeks[WEEKS[1]] / weeks[WEEKS[0]],
                change,
                category_drift(of_types),
                category_drift(countries) if enough_countries else None,
                popularity_drift(items) if enough_earlier else None,
            ),
            strict=True,
        )
    )


def _by_type(counted: Tally) -> pl.DataFrame:
    this = pl.col("date") > counted.last_day - timedelta(7)
    last = (pl.col("date") > counted.last_day - timedelta(14)) & ~this
    return (
        pl.concat(counted.by_day)
        .group_by("event_type")
        .agg(*(pl.col("num").filter(week).sum().alias(name) for week, name in ((last, WEEKS[0]), (this, WEEKS[1]))))
    )


def _share_beyond_first(sample: KeySample) -> float:
    """Share of rows whose key another row has had before."""
    sums = sample.sums()
    return 1.0 - len(sums) / int(sums["num"].sum()) if len(sums) else 0.0


def _unknown(lake: Lake, table: Table, sample: KeySample) -> float | None:
    """Share of the sample's events whose id the table does not hold; None where the table is empty."""
    if not lake.num_rows(table):
        return None
    key, events = TABLES[table].key, sample.sums().select("key", pl.sum_horizontal(EARLIER, *WEEKS).alias("num"))
    known = [
        sample.sampled(pl.DataFrame(pl.Series(key, batch[key])).select(hashed(key).alias("key")))
        for batch in lake.batches(table, [key])
    ]
    return int(events.join(pl.concat(known), on="key", how="anti")["num"].sum()) / int(events["num"].sum())


def _spread(sample: KeySample) -> dict[str, float]:
    """Events of one key: mean, quantiles, maximum."""
    num = sample.sums().select(pl.sum_horizontal(EARLIER, *WEEKS).alias("num"))["num"]
    quantiles = {name: float(num.quantile(share) or 0.0) for name, share in _QUANTILES.items()}
    return {"mean": float(num.mean() or 0.0), **quantiles, "max": float(num.max() or 0)}  # type: ignore[arg-type]


def _quarantine(lake: Lake, now: datetime) -> tuple[dict[str, int], int]:
    """Rows by `table: what is wrong`, and how many interactions came to it lately."""
    counted = []
    for batch in lake.batches(Table.QUARANTINE, ["table", "reason", "quarantined_at"]):
        rows = pl.DataFrame(pl.from_arrow(batch))
        kind = pl.format("{}: {}", "table", pl.col("reason").str.split(":").list.first()).alias("kind")
        lately = pl.col("quarantined_at") >= now - _ARRIVED
        of_events = pl.col("table") == Table.INTERACTIONS.value
        counted.append(rows.group_by(kind).agg(pl.len().alias("num"), (lately & of_events).sum().alias("lately")))
    if not counted:
        return {}, 0
    summed = pl.concat(counted).group_by("kind").agg(pl.col("num", "lately").sum()).sort("num", "kind", descending=True)
    return dict(summed.select("kind", "num").iter_rows()), int(summed["lately"].sum())


def _arrived(lake: Lake, now: datetime) -> tuple[int, int]:
    """Events that were appended lately, and those of them that were late."""
    lately = lake.arrivals(Table.INTERACTIONS, now - _ARRIVED)
    late = [
        arrival.num_rows
        for arrival in lately
        if arrival.day not in (None, UNTIMED_DATE) and arrival.moment - _end_of(arrival.day) > _GRACE
    ]
    return sum(arrival.num_rows for arrival in lately), sum(late)


def _end_of(day: date | None) -> datetime:
    assert day is not None
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(1)
