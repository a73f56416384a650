"""An incremental run: train on what came after a finished run's snapshot of the lake, with whole histories.

New events are found by file: those that the table has now and had not at the snapshot's version, less what was only
rewritten from files that are gone since. So an event that arrives late is new whatever its time, and neither an
erasure nor a compaction makes an old one new. Only those files are read for it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

import polars as pl

from cluster.commands.console import say
from cluster.delta.lake import Lake
from cluster.delta.parts import Part, read_part
from cluster.storage import Folder, join
from models.errors import ConfigError, InputError, NotFoundError
from models.tables import Table
from pipelines.learning.data.split import CONTEXT, TRAIN, VALIDATION, Split
from pipelines.learning.runs.run_folder import FINISHED, read_json
from pipelines.learning.scaling import as_before
from pipelines.recipes import Recipe, from_dict

_EVENT = ["user_id", "item_id", "timestamp"]
_SHOWN = ["user_id", "recommendation_id"]


@dataclass(frozen=True, slots=True)
class RefreshSplit(Split):
    """The split as of now, in which a pair of user and item that was trained on before is CONTEXT.

    So it is neither trained on again, nor does it validate: a refitted run has seen what had validated it. Likewise the
    items of a recommendation that was trained on, though they be answered since.

    What was trained on is what `earlier` trains on when it is shown only the events that are not among `fresh`, hashes
    of new events. So what it had held out, and is held out no longer, is trained on too.

    `fresh_shown`: hashes of the recommendations that were shown since.
    """

    fresh: pl.Series | None = None
    fresh_shown: pl.Series | None = None
    earlier: Split | None = None

    def label(self, events: pl.DataFrame) -> pl.DataFrame:
        """As `Split.label`."""
        labelled = Split.label(self, events)
        assert self.fresh is not None
        assert self.earlier is not None
        before = self.earlier.label(events.filter(~_key(pl.col("timestamp_us")).is_in(self.fresh.implode())))
        trained = before.filter(pl.col("label") == TRAIN).select("user_id", "item_id", pl.lit(True).alias("_trained"))
        marked = labelled.join(trained, on=["user_id", "item_id"], how="left", maintain_order="left")
        again = pl.col("_trained").is_not_null() & pl.col("label").is_in([TRAIN, VALIDATION])
        context = pl.when(again).then(pl.lit(CONTEXT, pl.Int8)).otherwise("label").alias("label")
        return marked.with_columns(context).drop("_trained")

    def label_impressions(self, shown: pl.DataFrame) -> pl.DataFrame:
        """As `Split.label_impressions`."""
        assert self.fresh_shown is not None
        assert self.earlier is not None
        before = self.earlier.label_impressions(shown)["label"]
        old = ~pl.struct(_SHOWN).hash(seed=1).is_in(self.fresh_shown.implode())
        again = old & (before == TRAIN) & pl.col("label").is_in([TRAIN, VALIDATION])
        context = pl.when(again).then(pl.lit(CONTEXT, pl.Int8)).otherwise("label").alias("label")
        return Split.label_impressions(self, shown).with_columns(context)


def refresh_split(now: Split, earlier: Split, fresh: pl.Series, fresh_shown: pl.Series | None = None) -> RefreshSplit:
    """`now` for a run that goes on from one whose split was `earlier`."""
    same = {f.name: getattr(now, f.name) for f in fields(Split)}
    nothing = pl.Series([], dtype=pl.UInt64)
    return RefreshSplit(
        **same, fresh=fresh, fresh_shown=nothing if fresh_shown is None else fresh_shown, earlier=earlier
    )


def fresh_events(lake: Lake, versions: dict[str, int]) -> pl.Series:
    """Hashes of the events that a pinned lake has and had not at `versions`; `InputError` when there is none."""
    fresh = _fresh(lake, Table.INTERACTIONS, versions, _EVENT)
    if not len(fresh):
        raise InputError(
            f"the lake has no event that version {versions[Table.INTERACTIONS.value]} of its interactions had not. "
            "Ingest what is new first (shoal ingest), or leave out --since"
        )
    return fresh


def fresh_recommendations(lake: Lake, versions: dict[str, int]) -> pl.Series:
    """Hashes of the recommendations that a pinned lake knows the exposure of and did not at `versions`."""
    return _fresh(lake, Table.EXPOSURES, versions, _SHOWN)


def _fresh(lake: Lake, table: Table, versions: dict[str, int], columns: list[str]) -> pl.Series:
    """Hashes of the rows of files that are new, less those of files that are gone since."""
    uri, then = lake.table_uri(table), lake.pinned(versions)
    now_by_path = {part.path: part for part in lake.parts(table)}
    then_by_path = {part.path: part for part in then.parts(table)}
    added = [part for path, part in now_by_path.items() if path not in then_by_path]
    days = {part.day for part in added}  # a rewritten file has its rows within its day
    gone = [part for path, part in then_by_path.items() if path not in now_by_path and part.day in days]
    fresh = _hashes(uri, added, columns)
    if gone and len(fresh):
        try:
            fresh = fresh.filter(~fresh.is_in(_hashes(uri, gone, columns).implode()))
        except FileNotFoundError as error:
            raise ConfigError(
                f"the {table.value} of version {versions[table.value]} were rewritten and their old files vacuumed, so "
                "what is new cannot be told. Train in full: leave out --since"
            ) from error
    return fresh


def last_run(runs_uri: str, recipe: Recipe, lake: Lake) -> str:
    """Address of the finished run of this recipe (its name, model and split) on the newest data of this lake."""
    found = []
    for name in Folder(runs_uri).names():
        uri = join(runs_uri, name)
        config, data = read_json(uri, "config.json"), read_json(uri, "data.json")
        if config is None or data is None or data["lake"] != lake.uri or read_json(uri, FINISHED) is None:
            continue
        before = _read_alike(name, config, recipe)
        if before is not None and _made_alike(before, recipe):
            found.append((data["versions"][Table.INTERACTIONS.value], name, uri))
    if not found:
        raise NotFoundError(
            f"no run of recipe {recipe.name} with this model and split on lake {lake.uri} has finished in {runs_uri}. "
            f"Train in full first: shoal train --recipe {recipe.name}"
        )
    return max(found)[2]


def _read_alike(run: str, config: dict[str, Any], recipe: Recipe) -> Recipe | None:
    """The recipe of a run of this name and kind of model; None for any other, and for one with settings of the past."""
    if (config["name"], config["model"]["kind"]) != (recipe.name, recipe.model.kind):
        return None
    try:
        return from_dict(config)
    except ConfigError as error:
        say(f"note: run {run} is passed over, its recipe is of another Shoal: {error}")
        return None


def _made_alike(before: Recipe, recipe: Recipe) -> bool:
    """True when one could go on from the other: a refit held out less, and open settings are as they were."""
    now = as_before(recipe, before)
    split = replace(before.split, validation=now.split.validation)
    return (before.name, before.model, split) == (now.name, now.model, now.split)


def _hashes(table_uri: str, parts: list[Part], columns: list[str]) -> pl.Series:
    read = [_hashed(pl.DataFrame(read_part(table_uri, part.path, columns))) for part in parts]
    return pl.concat(read) if read else pl.Series([], dtype=pl.UInt64)


def _hashed(rows: pl.DataFrame) -> pl.Series:
    rows = rows.with_columns(pl.col(name).cast(pl.String) for name in rows.columns if name != "timestamp")
    if "timestamp" not in rows.columns:
        return rows.select(pl.struct(_SHOWN).hash(seed=1).alias("key"))["key"]
    moment = pl.col("timestamp").dt.timestamp("us").fill_null(0).alias("timestamp_us")
    return rows.select(_key(moment).alias("key"))["key"]


def _key(moment: pl.Expr) -> pl.Expr:
    """An event by user, item and moment (µs), as 64 bits."""
    return pl.struct("user_id", "item_id", moment).hash(seed=1)
