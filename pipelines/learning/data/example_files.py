"""Examples as Parquet: what training cuts from its stream of sequences, written down for other programs.

Each block of encoded users is one task, which writes a file a part and holds a few users at a time.
"""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import ray

from cluster.commands.console import progress, say
from cluster.delta.lake import Lake
from cluster.storage import Folder
from models.errors import ConfigError
from models.model_config import FitConfig
from pipelines.learning.data.corpus import Corpus, load_corpus
from pipelines.learning.data.example_blocks import write_task
from pipelines.learning.data.example_progress import SUMMARY, Written, begin, read_written, whole
from pipelines.learning.data.examples import Expansion
from pipelines.learning.data.expansions import expansion_of
from pipelines.learning.data.split import TEST, TRAIN, VALIDATION
from pipelines.learning.preparing import Prepared, prepare
from pipelines.recipes import Recipe, to_dict

PARTS = {"train": TRAIN, "validation": VALIDATION, "test": TEST}


def write_examples(recipe: Recipe, lake: Lake, out: str) -> dict[str, Any]:
    """Write `out/train`, `out/validation`, `out/test`, the ids behind the rows, and the summary that is returned.

    What was interrupted goes on where it ended. `ConfigError` for a folder that holds anything else, or a recipe that
    is fitted on whole histories; `InputError` when there is nothing to train on.
    """
    if isinstance(recipe.model, FitConfig):
        raise ConfigError(f"{recipe.name} is fitted on whole histories and has no examples. Take a net: two_tower.")
    folder, pinned, started = Folder(out), lake.pinned(), time.monotonic()
    plan = {"recipe": to_dict(recipe), "lake": pinned.uri, "versions": pinned.versions}
    if (summary := whole(folder, plan)) is not None:
        say(f"{out} is whole already; nothing is written again")
        return summary
    say(f"{recipe.name}: reading the lake")
    # Nothing is validated here, so nothing is held out in memory.
    unmeasured = replace(recipe, training=replace(recipe.training, validation_users=0))
    prepared = prepare(unmeasured, load_corpus(recipe, pinned), pinned)
    begin(folder, plan)
    before = read_written(folder)
    written = _write_blocks(prepared, out, before)
    _write_ids(prepared.corpus, folder)
    summary = _summary(prepared, written)
    seconds = time.monotonic() - started
    num_new = sum(sum(rows.values()) for number, rows in written.items() if number not in before)
    summary |= {"seconds": round(seconds, 3), "examples_per_s": round(num_new / seconds, 1)}
    folder.write(SUMMARY, json.dumps(summary, indent=2).encode())
    return summary


def expansions_of(prepared: Prepared) -> dict[str, Expansion]:
    """How each part is made, as training makes it."""
    recipe, ranking = prepared.recipe, prepared.corpus.ranking
    from_exposures = ranking is not None and ranking.from_exposures
    length = recipe.features.history_length
    return {
        name: expansion_of(recipe.model, part, prepared.order, length, from_exposures=from_exposures)
        for name, part in PARTS.items()
    }


def _write_blocks(prepared: Prepared, out: str, before: Written) -> Written:
    """One task for each block that is not written yet."""
    blocks, expansions = prepared.encoded.to_arrow_refs(), ray.put(expansions_of(prepared))
    if before:
        say(f"{len(before):,} of {len(blocks):,} blocks were written before")
    numbers = {
        write_task.remote(block, expansions, out, number): number
        for number, block in enumerate(blocks)
        if number not in before
    }
    written, waiting = dict(before), list(numbers)
    with progress() as bar:
        shown = bar.add_task("blocks of examples", total=len(blocks), completed=len(before))
        while waiting:
            done, waiting = ray.wait(waiting)
            written[numbers[done[0]]] = ray.get(done[0])
            bar.advance(shown)
    return written


def _summary(prepared: Prepared, written: Written) -> dict[str, Any]:
    """The body of `examples.json` but for the time it took; `contexts` are what rows of `context` mean."""
    rows = {name: [found[name] for found in written.values() if name in found] for name in PARTS}
    ranking = prepared.corpus.ranking
    contexts = {"contexts": ranking.contexts.to_json()} if ranking and ranking.from_exposures else {}
    return {
        "recipe": prepared.recipe.name,
        "features_digest": prepared.recipe.features.digest(),
        "history_length": prepared.recipe.features.history_length,
        "order": prepared.order,
        "data": prepared.corpus.snapshot,
        "parts": {name: {"examples": sum(found), "files": len(found)} for name, found in rows.items()},
        **contexts,
    }


def _write_ids(corpus: Corpus, folder: Folder) -> None:
    """Ids in row order; rows of users past the last are shared by those without a training event."""
    for name, ids in (("items", corpus.items.ids), ("users", corpus.users.ids)):
        sink = pa.BufferOutputStream()
        pq.write_table(pa.table({f"{name[:-1]}_id": pa.array(ids, pa.string())}), sink, compression="zstd")
        folder.write(f"{name}.parquet", sink.getvalue().to_pybytes())
