"""From the lake to what was shown to each user, and what they did with it, by Ray Data.

Exposures and interactions are hashed by user to the same buckets; each bucket is one task. The pages of one
recommendation are one exposure, shown when the first of them was. An impression is one item
of an exposure's list. Its answers are the user's interactions with its recommendation id and item. Only exposures on
the home surface count, since that is what the ranker orders.

Columns, one row a user: the events that count as history (`history_item_ids`, `history_us`, oldest first), one entry an
exposure (`shown_us`, `countries`, `contexts`, `num_items`) and, for all its impressions end to end, `item_ids`,
`positions` (0 is the top), `labels` (the part) and the targets of the heads: whether it was viewed, clicked and bought,
and its rating. `num_unmatched`: answers to nothing that was shown.
"""

from __future__ import annotations

import polars as pl
import pyarrow as pa
import ray.data
from polars import selectors
from ray.data import Dataset

from cluster.delta.lake import Lake
from models.events import EventType
from models.tables import Table
from pipelines.learning.data.buckets import bucketed, buckets_for
from pipelines.learning.data.consent import willing
from pipelines.learning.data.split import TEST, VALIDATION, Split

TARGETS = ("view", "click", "purchase", "rating")
SURFACE = "home"
_TEXTS = ("user_id", "item_id", "event_type", "country", "interaction_id", "recommendation_id", "surface", "context")
ROW = pa.schema(
    [
        *((name, pa.string()) for name in _TEXTS),
        ("timestamp", pa.timestamp("us", "UTC")),
        ("rating", pa.float32()),
        ("item_ids", pa.list_(pa.string())),
        ("personalization", pa.bool_()),
        ("num_above", pa.int32()),
    ]
)
IMPRESSIONS = pa.schema(
    [
        ("user_id", pa.string()),
        ("history_item_ids", pa.list_(pa.string())),
        ("history_us", pa.list_(pa.int64())),
        ("shown_us", pa.list_(pa.int64())),
        ("countries", pa.list_(pa.string())),
        ("contexts", pa.list_(pa.string())),
        ("num_items", pa.list_(pa.int32())),
        ("item_ids", pa.list_(pa.string())),
        ("positions", pa.list_(pa.int32())),
        ("labels", pa.list_(pa.int8())),
        *((name, pa.list_(pa.float32() if name == "rating" else pa.bool_())) for name in TARGETS),
        ("num_unmatched", pa.int64()),
    ]
)
_EVENT_COLUMNS = ["user_id", "item_id", "event_type", "country", "interaction_id", "recommendation_id"]
_PURCHASED = [EventType.PURCHASE]
_CLICKED = [EventType.CLICK, EventType.LIKE, EventType.RATING, *_PURCHASED]
_VIEWED = [EventType.VIEW, *_CLICKED]
_USER_REC = ["user_id", "recommendation_id"]
_IMPRESSION = [*_USER_REC, "item_id"]


def impressions(lake: Lake, split: Split, seed: int) -> Dataset:
    """Every user who was shown something. Lazy."""
    num_rows = lake.num_rows(Table.INTERACTIONS) + lake.num_rows(Table.EXPOSURES)
    num_buckets = buckets_for(num_rows)
    # Exposures are read whole: one of an older version has no column of contexts to ask for.
    wanted = {Table.EXPOSURES: None, Table.INTERACTIONS: [*_EVENT_COLUMNS, "timestamp", "rating"]}
    if lake.exists(Table.USERS):
        there = lake.columns(Table.USERS)
        wanted[Table.USERS] = [name for name in ("user_id", "country", "personalization") if name in there]
    options = {"num_buckets": num_buckets, "seed": seed, "schema": ROW}
    parts = [
        ray.data.read_delta(
            lake.table_uri(table), version=lake.version(table), storage_options=lake.storage_options, columns=columns
        ).map_batches(bucketed, batch_format="pyarrow", batch_size=None, fn_kwargs=options)
        for table, columns in wanted.items()
    ]
    rows = parts[0].union(*parts[1:])
    return rows.groupby("bucket", num_partitions=num_buckets).map_groups(
        build, batch_format="pyarrow", fn_kwargs={"split": split}
    )


def build(rows: pa.Table, split: Split) -> pa.Table:
    """The users of one bucket, in the order of their ids."""
    frame = willing(pl.DataFrame(rows)).with_columns(pl.col("timestamp").dt.timestamp("us").alias("timestamp_us"))
    is_exposure, is_event = pl.col("item_ids").is_not_null(), pl.col("item_id").is_not_null()
    exposures = _exposures(frame.filter(is_exposure & (pl.col("surface") == SURFACE) & (pl.col("user_id") != "")))
    events = _events(frame.filter(is_event), exposures)
    profiles = frame.filter(~is_exposure & ~is_event).group_by("user_id").agg(pl.col("country").last().alias("profile"))
    labelled, answers = split.label(events), _answers(events)
    shown = split.label_impressions(_shown(exposures, labelled, answers))
    listed = shown.group_by(_USER_REC, maintain_order=True).agg(
        "item_id", "position", "label", *TARGETS, pl.len().cast(pl.Int32).alias("num_items")
    )
    exposed = _with_countries(exposures.drop("item_ids", "position"), events, profiles).join(listed, on=_USER_REC)
    users = (
        exposed.sort("user_id", "timestamp_us", "recommendation_id")
        .group_by("user_id", maintain_order=True)
        .agg(
            pl.col("timestamp_us").alias("shown_us"),
            pl.col("country").alias("countries"),
            pl.col("context").alias("contexts"),
            "num_items",
            pl.col("item_id").list.explode().alias("item_ids"),
            pl.col("position").list.explode().alias("positions"),
            pl.col("label").list.explode().alias("labels"),
            *(pl.col(name).list.explode() for name in TARGETS),
        )
    )
    unmatched = answers.join(shown.select(_IMPRESSION), on=_IMPRESSION, how="anti")
    counted = unmatched.group_by("user_id").agg(pl.len().cast(pl.Int64).alias("num_unmatched"))
    whole = users.join(counted, on="user_id", how="full", coalesce=True).join(
        _histories(labelled, split), on="user_id", how="left"
    )
    filled = whole.with_columns(pl.col("num_unmatched").fill_null(0), selectors.list().fill_null([])).sort("user_id")
    return filled.select(IMPRESSIONS.names).to_arrow().cast(IMPRESSIONS)


def _exposures(rows: pl.DataFrame) -> pl.DataFrame:
    """One row a recommendation: the items of its pages, and the position of each, in the order of the pages."""
    pages = (
        rows.filter(pl.col("item_ids").list.len() > 0)
        .with_columns(pl.col("num_above").fill_null(0))
        .sort("timestamp_us", "recommendation_id")
        .unique([*_USER_REC, "num_above"], keep="first", maintain_order=True)
        .sort("num_above", maintain_order=True)
        .with_columns(pl.int_ranges("num_above", pl.col("num_above") + pl.col("item_ids").list.len()).alias("position"))
    )
    listed = pages.group_by(_USER_REC, maintain_order=True).agg(
        pl.col("timestamp_us").min(),
        pl.col("context").first(),
        pl.col("item_ids").list.explode(),
        pl.col("position").list.explode().cast(pl.Int32),
    )
    return listed.sort("timestamp_us", "recommendation_id")


def _events(rows: pl.DataFrame, exposures: pl.DataFrame) -> pl.DataFrame:
    """Events oldest first; `happened_us` is null for an untimed one.

    An event that answers an exposure did not happen before it, whatever a wrong clock says: otherwise a history
    would hold the answer that is to be predicted.
    """
    shown = exposures.select(*_USER_REC, pl.col("timestamp_us").alias("shown_us"))
    events = rows.sort("timestamp", "interaction_id", nulls_last=False).join(
        shown, on=_USER_REC, how="left", maintain_order="left"
    )
    happened = pl.when(pl.col("timestamp_us").is_not_null()).then(pl.max_horizontal("timestamp_us", "shown_us"))
    return events.with_columns(happened.alias("happened_us"), pl.col("timestamp_us").fill_null(0))


def _answers(events: pl.DataFrame) -> pl.DataFrame:
    """What was done with each item of each recommendation. A stronger act implies the weaker: who buys has seen."""
    kind = pl.col("event_type")
    rated = pl.col("rating").filter(kind == EventType.RATING).drop_nulls()
    return (
        events.filter(pl.col("recommendation_id").is_not_null())
        .group_by(_IMPRESSION)
        .agg(
            kind.is_in(_VIEWED).any().alias("view"),
            kind.is_in(_CLICKED).any().alias("click"),
            kind.is_in(_PURCHASED).any().alias("purchase"),
            rated.last().alias("rating"),
        )
    )


def _shown(exposures: pl.DataFrame, labelled: pl.DataFrame, answers: pl.DataFrame) -> pl.DataFrame:
    """One row an impression with its targets, and what `Split.label_impressions` needs."""
    answered = (
        labelled.filter(pl.col("recommendation_id").is_not_null())
        .group_by(_USER_REC)
        .agg(pl.col("label").max().alias("answered"))
    )
    moments = labelled.group_by("user_id").agg(
        pl.col("timestamp_us").filter(pl.col("label") == part).min().alias(name)
        for name, part in (("validation_us", VALIDATION), ("test_us", TEST))
    )
    return (
        exposures.rename({"item_ids": "item_id"})
        .explode("item_id", "position")
        .unique(_IMPRESSION, keep="first", maintain_order=True)
        .join(answers, on=_IMPRESSION, how="left", maintain_order="left")
        .with_columns(pl.col(name).fill_null(False) for name in TARGETS if name != "rating")
        .join(answered, on=_USER_REC, how="left", maintain_order="left")
        .join(moments, on="user_id", how="left", maintain_order="left")
    )


def _with_countries(exposures: pl.DataFrame, events: pl.DataFrame, profiles: pl.DataFrame) -> pl.DataFrame:
    """The country known strictly before each exposure; that of the profile, which has no time, when there is none."""
    known = events.filter(pl.col("country").is_not_null() & pl.col("happened_us").is_not_null()).select(
        "user_id", pl.col("happened_us").alias("timestamp_us"), "country"
    )
    dated = exposures.sort("timestamp_us").join_asof(
        known.sort("timestamp_us"), on="timestamp_us", by="user_id", allow_exact_matches=False, check_sortedness=False
    )
    return dated.join(profiles, on="user_id", how="left").with_columns(
        pl.coalesce("country", "profile").alias("country")
    )


def _histories(labelled: pl.DataFrame, split: Split) -> pl.DataFrame:
    """Timed events by user, oldest first. Where held-out events may lie anywhere, none of them is history."""
    known = labelled.filter(pl.col("happened_us").is_not_null())
    if split.given is not None:
        known = known.filter(pl.col("label") < VALIDATION)
    ordered = known.sort("happened_us", maintain_order=True)
    return ordered.group_by("user_id", maintain_order=True).agg(
        pl.col("item_id").alias("history_item_ids"), pl.col("happened_us").alias("history_us")
    )
