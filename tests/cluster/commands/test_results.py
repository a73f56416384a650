"""What a command prints is all that is on stdout, whatever the libraries under it have to say."""

from __future__ import annotations

import argparse
import threading

import pytest

from cluster.commands.console import run


def test_another_threads_words_go_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    def command(_: argparse.Namespace) -> int:
        print('{"a": ', end="")
        library = threading.Thread(target=print, args=("a warning",))
        library.start()
        library.join()
        print("1}")
        return 0

    assert run(argparse.ArgumentParser(), command, []) == 0
    captured = capsys.readouterr()
    assert captured.out == '{"a": 1}\n'
    assert captured.err == "a warning\n"
