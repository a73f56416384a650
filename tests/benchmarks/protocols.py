"""The published protocols on MovieLens-1M: a lake, the overrides that split it, and how a run is judged.

- `sasrec`: Kang and McAuley (2018): last item tests, the one before validates; all 3,416 items are ranked.
- `ncf`: He et al. (2017): each user's last item against 99 given negatives; 156 lines list the positive, ignored there.
- `lcfn`: UltraGCN's file (Mao et al., 2021): sets without times, all 3,043 items are ranked.
"""

from __future__ import annotations

import ast
import gzip
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl

from cluster.delta.lake import Lake
from models.events import INTERACTIONS, UNTIMED_DATE, EventType
from models.recommender import Recommender
from models.tables import Table
from pipelines.evaluation.candidate_lists import bundle_scores, candidate_lists, measure_candidates, read_candidates
from pipelines.evaluation.cases import EvaluationCase, evaluation_cases
from pipelines.evaluation.evaluator import evaluate_bundle
from pipelines.learning.data.corpus import split_of
from pipelines.learning.data.sequences import sequences
from pipelines.learning.data.split import TEST, SplitConfig
from tests.benchmarks.movielens import read_events, write_lake

START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Protocol:
    """`split`: overrides of a recipe; `judge`: published metrics of a recommender on the test part."""

    lake: Lake
    split: tuple[str, ...]
    judge: Callable[[Recommender], Mapping[str, float]] = field(repr=False)


def sasrec(data: Path, folder: Path) -> Protocol:
    """The file has an order but no times, so event n of a user gets minute n of the log."""
    lake = Lake(str(folder / "lake"))
    if not lake.exists(Table.INTERACTIONS):
        pairs = _read_pairs(data / "ml-1m" / "sasrec" / "ml-1m.txt.gz", " ")
        append(lake, pairs.with_columns(pl.lit(START) + pl.int_range(pl.len()).over("user_id") * timedelta(minutes=1)))
    return Protocol(lake, (), lambda recommender: evaluate_bundle(recommender, _cases(lake, SplitConfig())))


def ncf(data: Path, folder: Path) -> Protocol:
    """Times are GroupLens's; the newest of each user's other items validates."""
    lake, source = Lake(str(folder / "lake")), data / "ml-1m"
    tested = _negatives(source)
    split, candidates = folder / "split.parquet", folder / "candidates.parquet"
    if not lake.exists(Table.INTERACTIONS):
        write_lake(source, lake)
        _write_split(source, tested, split)
        rows = [(user, item) for user, (positive, others) in tested.items() for item in (positive, *others)]
        pl.DataFrame(rows, schema=["user_id", "item_id"], orient="row").write_parquet(candidates)

    def judge(recommender: Recommender) -> Mapping[str, float]:
        cases = _cases(lake, SplitConfig("given", given=str(split)))
        lists, _ = candidate_lists(read_candidates(candidates), cases)
        return measure_candidates("model", bundle_scores(recommender), lists)[0].means()

    return Protocol(lake, ("split.protocol=given", f"split.given={split}"), judge)


def lcfn(data: Path, folder: Path) -> Protocol:
    """Sets of items without times, split at random."""
    lake, split = Lake(str(folder / "lake")), folder / "split.parquet"
    if not lake.exists(Table.INTERACTIONS):
        parts = [_read_sets(data / "ml-1m" / "lcfn" / f"{part}.txt.gz", part) for part in ("train", "test")]
        append(lake, pl.concat(parts).with_columns(pl.lit(None, pl.Datetime("us", "UTC")).alias("timestamp")))
        parts[1].write_parquet(split)

    def judge(recommender: Recommender) -> Mapping[str, float]:
        return evaluate_bundle(recommender, _cases(lake, SplitConfig("given", given=str(split))))

    return Protocol(lake, ("split.protocol=given", f"split.given={split}"), judge)


def append(lake: Lake, pairs: pl.DataFrame, prefix: str = "") -> None:
    """Clicks of columns `user_id`, `item_id`, `timestamp` (may be null); ids follow the order of the rows."""
    if "timestamp" not in pairs.columns:
        pairs = pairs.rename({pairs.columns[2]: "timestamp"})
    log = pairs.with_row_index("at").with_columns(
        (pl.lit(prefix) + pl.col("at").cast(pl.String).str.zfill(9)).alias("interaction_id"),
        pl.lit(EventType.CLICK.value).alias("event_type"),
        pl.col("timestamp").dt.cast_time_unit("us"),
        pl.coalesce(pl.col("timestamp").dt.date(), pl.lit(UNTIMED_DATE)).alias("date"),
    )
    absent = [pl.lit(None).alias(name) for name in INTERACTIONS.names if name not in log.columns]
    lake.append(Table.INTERACTIONS, log.with_columns(absent).select(INTERACTIONS.names).to_arrow().cast(INTERACTIONS))


def _cases(lake: Lake, config: SplitConfig) -> list[EvaluationCase]:
    pinned = lake.pinned()
    return evaluation_cases(sequences(pinned, 0), split_of(config, pinned), TEST, limit=10_000)


def _read_pairs(path: Path, separator: str) -> pl.DataFrame:
    pairs = pl.read_csv(gzip.decompress(path.read_bytes()), separator=separator, has_header=False)
    return pairs.rename(dict(zip(pairs.columns, ["user_id", "item_id"], strict=True))).cast(pl.String)


def _read_sets(path: Path, part: str) -> pl.DataFrame:
    rows = [line.split() for line in gzip.decompress(path.read_bytes()).decode().splitlines()]
    pairs = [(user, item, part) for user, *items in rows for item in items]
    return pl.DataFrame(pairs, schema=["user_id", "item_id", "part"], orient="row")


def _negatives(folder: Path) -> dict[str, tuple[str, list[str]]]:
    """User id to the tested item and the negatives, the item itself left out."""
    movies = pl.read_csv(folder / "ncf" / "item_ids.tsv", separator="\t")["movie_id"].cast(pl.String).to_list()
    found = {}
    for line in gzip.decompress((folder / "ncf" / "ml-1m.test.negative.gz").read_bytes()).decode().splitlines():
        pair, *others = line.split("\t")
        user, item = ast.literal_eval(pair)
        found[str(user + 1)] = (movies[item], [movies[int(other)] for other in others if int(other) != item])
    return found


def _write_split(folder: Path, tested: dict[str, tuple[str, list[str]]], target: Path) -> None:
    pairs = pl.DataFrame({"user_id": list(tested), "item_id": [item for item, _ in tested.values()]})
    others = read_events(folder).join(pairs, on=["user_id", "item_id"], how="anti").sort("user_id", "position")
    newest = others.group_by("user_id", maintain_order=True).agg(pl.col("item_id").last())
    parts = [part.with_columns(pl.lit(name).alias("part")) for part, name in ((pairs, "test"), (newest, "validation"))]
    pl.concat(parts).write_parquet(target)
