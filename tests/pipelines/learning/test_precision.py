"""A precision that the workers cannot use is said."""

from __future__ import annotations

import pytest

from pipelines.learning import net_training
from pipelines.recipes import load_recipe


@pytest.mark.parametrize(
    ("precision", "on_gpus", "warned"),
    [("bfloat16", False, True), ("bfloat16", True, False), ("auto", False, False), ("float32", False, False)],
)
def test_a_precision_that_is_not_used_is_warned_about(
    precision: str, on_gpus: bool, warned: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    net_training._check_precision(load_recipe("two_tower", [f"training.precision={precision}"]), on_gpus)
    assert ("training.precision=bfloat16 is not used" in capsys.readouterr().err) is warned
