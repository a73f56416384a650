"""The report of a sweep: `report.md` to read, `trials.json` to compute with, and a figure of both."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from cluster.storage import Folder
from tune.journal import Trial, number
from tune.parallel import parallel_svg
from tune.plan import Plan
from tune.spaces import Space


def write_report(folder: Folder, plan: Plan, space: Space, trials: Sequence[Trial], best: Mapping[str, Any]) -> None:
    """Write the files; `trials` come best first, and the first one has a score. `best` is its recipe."""
    folder.write("parallel.svg", parallel_svg(space, trials, plan.metric))
    folder.write("trials.json", json.dumps([record(trial) for trial in trials], indent=2, sort_keys=True).encode())
    folder.write("best.json", recipe_file(best))
    folder.write("report.md", markdown(plan, trials).encode())


def recipe_file(recipe: Mapping[str, Any]) -> bytes:
    """What `shoal train --recipe FILE` takes."""
    return (json.dumps(recipe, indent=2, sort_keys=True) + "\n").encode()


def record(trial: Trial) -> dict[str, Any]:
    """A trial as data, with the score of its best epoch."""
    return {**asdict(trial), "score": trial.score, "best_epoch": trial.best_epoch, "epochs": len(trial.scores)}


def markdown(plan: Plan, trials: Sequence[Trial]) -> str:
    """What was searched and how, then the trials."""
    return "\n".join([*_head(plan, trials), "", *_trials(plan, trials), *_failures(trials), ""])


def _head(plan: Plan, trials: Sequence[Trial]) -> list[str]:
    by_status = {status: sum(trial.status == status for trial in trials) for status in ("finished", "failed")}
    facts = {
        "recipe": plan.recipe.get("name", ""),
        "space": plan.space,
        "searcher": plan.searcher,
        "scheduler": plan.scheduler,
        "seed": plan.seed,
        "trials": f"{by_status['finished']} finished, {by_status['failed']} failed, of {plan.samples}",
        "epochs of a trial": f"at most {plan.epochs}",
        "data": f"`{plan.lake}`, interactions version {plan.interactions_version}",
        "command": f"`{plan.command}`",
        **{f"`{key}`": words for key, words in plan.domains.items()},
    }
    rows = [f"| {key} | {value} |" for key, value in facts.items()]
    return [f"# Sweep {plan.name}", "", "| | |", "|---|---|", *rows, "", "![every trial](parallel.svg)"]


def _trials(plan: Plan, trials: Sequence[Trial]) -> list[str]:
    keys = list(plan.domains)
    names = [
        "trial",
        f"{plan.metric}, best epoch",
        "best epoch",
        "epochs",
        "seconds",
        *(f"`{key}`" for key in keys),
        "run",
    ]
    lines = [f"| {' | '.join(names)} |", f"|{'---|' * len(names)}"]
    for trial in trials:
        settings = (number(trial.settings.get(key)) for key in keys)
        cells = (
            str(trial.number),
            "failed" if trial.status == "failed" else number(trial.score),
            number(trial.best_epoch),
            str(len(trial.scores)),
            f"{trial.seconds:.0f}",
            *settings,
            trial.run,
        )
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _failures(trials: Sequence[Trial]) -> list[str]:
    failed = [trial for trial in trials if trial.status == "failed"]
    return ["", *(f"- trial {trial.number} failed: {trial.error}" for trial in failed)] if failed else []
