"""What a log of impressions can teach: values of contexts, labels of each head, and what in it is of no use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl
import pyarrow as pa
import ray
from ray.data import Dataset

from models.contexts import parse_context
from models.errors import InputError
from models.vocabulary import Vocabulary
from pipelines.learning.data.split import TRAIN, VALIDATION
from pipelines.learning.impressions.impressions import TARGETS

_SCHEMA = pa.schema([("kind", pa.string()), ("field", pa.string()), ("value", pa.string()), ("count", pa.int64())])


@dataclass(frozen=True, slots=True)
class ImpressionTally:
    """Of the training part, but for the last three: of the whole log. `contexts` and `labels` count what a run before
    was trained on, too; `num_impressions` are those to train on now.

    `contexts`: exposures by (field, value). `labels`: impressions by head that were clicked, bought, rated, and viewed
    without a click: where each view is a click, views teach nothing more.
    """

    contexts: dict[tuple[str, str], int]
    labels: dict[str, int]
    num_impressions: int
    num_bad_contexts: int
    num_unmatched: int
    num_unknown_items: int


def tally(impressions: Dataset, items: Vocabulary) -> ImpressionTally:
    """Count impressions, which are materialized."""
    counted = impressions.map_batches(
        tally_block, fn_kwargs={"items": ray.put(items)}, batch_format="pyarrow", batch_size=None
    )
    frame = pl.concat([pl.DataFrame(part) for part in ray.get(counted.to_arrow_refs())])
    summed = frame.group_by("kind", "field", "value").agg(pl.col("count").sum())
    contexts, others = {}, Counter[str]()
    for kind, field, value, count in summed.iter_rows():
        if kind == "context":
            contexts[field, value] = count
        else:
            others[kind] += count
    return ImpressionTally(
        contexts,
        {name: others[f"label {name}"] for name in TARGETS},
        others["impressions"],
        others["bad contexts"],
        others["unmatched"],
        others["unknown items"],
    )


def tally_block(block: pa.Table, items: ray.ObjectRef) -> pa.Table:
    """Counts of one block, by kind."""
    frame = pl.DataFrame(block)
    shown = frame.select("item_ids", "labels", *TARGETS).explode("item_ids", "labels", *TARGETS)
    known = shown.drop_nulls("item_ids").filter(pl.col("labels") < VALIDATION)
    rows = ray.get(items).lookup(shown["item_ids"].drop_nulls().to_arrow())
    labels = {"click": known["click"], "purchase": known["purchase"]}
    labels |= {"view": known["view"] & ~known["click"], "rating": known["rating"].is_not_null()}
    counts = {
        "impressions": int((known["labels"] == TRAIN).sum()),
        "unmatched": int(frame["num_unmatched"].sum()),
        "unknown items": int((rows < 0).sum()),
        **{f"label {name}": int(found.sum()) for name, found in labels.items()},
    }
    texts, bad = _texts(frame), 0
    pairs = Counter[tuple[str, str]]()
    for text, count in texts:
        try:
            for pair in parse_context(text).items():
                pairs[pair] += count
        except InputError:
            bad += count
    records = [(kind, "", "", count) for kind, count in {**counts, "bad contexts": bad}.items()]
    records += [("context", field, value, count) for (field, value), count in pairs.items()]
    columns = zip(*records, strict=True)
    return pa.table(dict(zip(_SCHEMA.names, map(list, columns), strict=True)), schema=_SCHEMA)


def _texts(frame: pl.DataFrame) -> Iterator[tuple[str | None, int]]:
    """Contexts of exposures of the training part, with how often each comes."""
    exposures = frame.select("user_id", "contexts", "num_items").explode("contexts", "num_items")
    exposures = exposures.drop_nulls("num_items").with_row_index("exposure")
    labels = frame.select(pl.col("labels").explode()).drop_nulls()["labels"]
    owner = exposures.select(pl.col("exposure").repeat_by("num_items").explode())["exposure"]
    known = pl.DataFrame({"exposure": owner, "label": labels}).filter(pl.col("label") < VALIDATION)["exposure"].unique()
    kept = exposures.filter(pl.col("exposure").is_in(known.implode()))
    return kept.group_by("contexts").len().iter_rows()
