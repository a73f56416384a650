"""The gate: who may become champion. The candidate must beat popularity, and the champion on the same cases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

GUARDED = "ndcg@10"


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether the candidate passes, and why in one sentence."""

    passed: bool
    reason: str


def judge(metrics: Mapping[str, Mapping[str, float]]) -> Verdict:
    """Compare `metrics["model"]` with `["popularity"]` and, when there is one, `["champion"]` by NDCG@10."""
    model, popularity = metrics["model"][GUARDED], metrics["popularity"][GUARDED]
    if model <= popularity:
        return Verdict(False, f"{GUARDED} {model:.4f} does not beat popularity's {popularity:.4f}")
    if "champion" not in metrics:
        return Verdict(True, f"{GUARDED} {model:.4f} beats popularity's {popularity:.4f}; there is no champion to beat")
    champion = metrics["champion"][GUARDED]
    if model <= champion:
        return Verdict(False, f"{GUARDED} {model:.4f} does not beat the champion's {champion:.4f}")
    return Verdict(True, f"{GUARDED} {model:.4f} beats the champion's {champion:.4f}")
