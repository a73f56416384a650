"""The `shoal` command: its table names modules that are there, and every help says what it does, with an example."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from shoal.launcher import COMMANDS, main

_ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _same_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    """The launcher extends both search paths; each test leaves them as they were."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setenv("PYTHONPATH", os.environ.get("PYTHONPATH", ""))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    shown = capsys.readouterr().out
    assert shown.startswith(f"usage: shoal {command} ")
    assert "\nexample" in shown
    assert f"shoal {command}" in shown.split("\nexample")[1]


def test_the_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(f"\n  {command} " in shown and text in shown for command, (_, text) in COMMANDS.items())


def test_the_help_waits_for_no_library() -> None:
    code = "import sys; from shoal.launcher import main; main(['--help']); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=_ROOT, capture_output=True, text=True, check=True)
    assert {"ray", "torch", "polars", "pyarrow", "numpy"}.isdisjoint(done.stdout.split())


@pytest.mark.parametrize(("typed", "meant"), [("trian", "train"), ("evalute", "evaluate"), ("setting", "settings")])
def test_an_unknown_command_names_the_nearest(typed: str, meant: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([typed]) == 2
    assert f"no command {typed!r}. The nearest is {meant!r}" in capsys.readouterr().err


def test_an_exit_code_is_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["models", "--registry", str(tmp_path)]) == 0
    assert main(["promote", "no-such-version", "--registry", str(tmp_path)]) == 2
    assert "no-such-version" in capsys.readouterr().err


def test_workers_are_told_where_the_code_is() -> None:
    with pytest.raises(SystemExit):
        main(["settings", "--help"])
    assert os.environ["PYTHONPATH"].split(os.pathsep)[0] == sys.path[0] == str(_ROOT)


def test_a_reader_that_has_seen_enough_is_no_error() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    try:
        ended = subprocess.run(
            [sys.executable, "-c", "from shoal.launcher import main; raise SystemExit(main(['settings']))"],
            stdout=writer,
            stderr=subprocess.PIPE,
            cwd=_ROOT,
        )
    finally:
        os.close(writer)
    assert (ended.returncode, ended.stderr) == (141, b"")
