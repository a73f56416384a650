"""`shoal sweep` says what is wrong before anything is run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tune.sweep import main


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--space", "two_towers"], "search space 'two_towers' is unknown. Use one of: two_tower"),
        (["--searcher", "grid"], "--searcher 'grid' is unknown"),
        (["--scheduler", "median"], "--scheduler 'median' is unknown"),
        (["--samples", "0"], "--samples 0 is less than 1"),
        (["--concurrency", "0"], "--concurrency 0 is less than 1"),
        (["--name", "a/b"], "'a/b' cannot name a folder"),
        (["--resume", "nothing"], "there is no sweep 'nothing'"),
        (["--resume", "a", "--name", "b"], "goes on under its own name"),
        (["--out", "best.yaml"], "--out best.yaml is no name that `shoal train --recipe` takes"),
        (["--set", "model.temprature=1"], "The nearest is 'model.temperature'"),
    ],
)
def test_a_wrong_option_ends_with_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    assert main(["--lake", str(tmp_path), "--runs", str(tmp_path / "runs"), *options]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert not (tmp_path / "runs").exists()
