"""The champion moves only for something better."""

from __future__ import annotations

from pipelines.publication.gate import judge


def metrics(**values: float) -> dict[str, dict[str, float]]:
    return {name: {"ndcg@10": value} for name, value in values.items()}


def test_the_first_model_needs_to_beat_popularity() -> None:
    assert judge(metrics(model=0.2, popularity=0.1)).passed
    assert not judge(metrics(model=0.1, popularity=0.1)).passed


def test_an_equal_candidate_does_not_move_the_champion() -> None:
    assert not judge(metrics(model=0.2, popularity=0.1, champion=0.2)).passed
    assert judge(metrics(model=0.21, popularity=0.1, champion=0.2)).passed


def test_the_reason_names_both_figures() -> None:
    assert judge(metrics(model=0.1, popularity=0.05, champion=0.2)).reason == (
        "ndcg@10 0.1000 does not beat the champion's 0.2000"
    )
