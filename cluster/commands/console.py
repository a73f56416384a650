"""What every command shares: its parser, its errors, its progress bar. Results go to stdout, the rest to stderr."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from cluster.commands.results import Results
from cluster.settings import Settings, place
from models.errors import ConfigError, ShoalError

EXIT_ERROR = 2
EXIT_BROKEN_PIPE = 141


def parser(name: str, doc: str | None, example: str) -> argparse.ArgumentParser:
    """A parser for `shoal NAME` whose help ends with an example."""
    return argparse.ArgumentParser(
        prog=f"shoal {name}",
        description=(doc or "").strip(),
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def add_places(args_parser: argparse.ArgumentParser, *names: str) -> None:
    """`--lake`, `--registry`, … whose default is the setting of that name."""
    defaults = settings()
    for name in names:
        default = getattr(defaults, f"{name}_uri")
        args_parser.add_argument(
            f"--{name}",
            type=place,
            default=default,
            metavar="URI",
            help=f"the {name}: a folder or s3:// (default: {default})",
        )


def settings() -> Settings:
    """The settings, before there is a command to run: a wrong one ends the process with one clear line."""
    try:
        return Settings()
    except ConfigError as error:
        print(f"error: {error}", file=sys.stderr)
        raise SystemExit(EXIT_ERROR) from None


def run(
    args_parser: argparse.ArgumentParser,
    command: Callable[[argparse.Namespace], int],
    argv: Sequence[str] | None,
) -> int:
    """Parse, call, and turn a deliberate error into one clear line and exit code 2."""
    args = args_parser.parse_args(argv)
    try:
        with redirect_stdout(Results(sys.stdout, sys.stderr)):
            code = command(args)
            sys.stdout.flush()
            return code
    except BrokenPipeError:  # its reader, a `head` perhaps, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_BROKEN_PIPE
    except ShoalError as error:
        print(f"error: {error}", file=sys.stderr)
        return EXIT_ERROR


def progress() -> Progress:
    """A progress display on stderr; silent lines instead of a bar when stderr is not a terminal."""
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=False,
    )


def say(message: str) -> None:
    """One line of progress on stderr."""
    print(message, file=sys.stderr, flush=True)
