"""What a publication says at its end: the figures, the version, and what became of it."""

from __future__ import annotations

from pipelines.evaluation.report import report
from pipelines.publication.publish import Published


def conclusion(done: Published) -> str:
    """The evaluation's table, where there is one, and the verdict."""
    figures = [report(done.evaluation), ""] if done.evaluation else []
    became = "champion" if done.verdict.passed else "not promoted"
    return "\n".join([*figures, f"version {done.version}", f"{became}: {done.verdict.reason}"])
