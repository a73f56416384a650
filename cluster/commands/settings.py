"""`shoal settings`: every environment variable, its value now and what it is for."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from cluster.commands.console import parser, run
from cluster.secret_files import is_secret
from cluster.settings import Settings


def main(argv: Sequence[str] | None = None) -> int:
    """Print the settings in force."""
    args_parser = parser("settings", __doc__, "shoal settings\n  SHOAL_HOME=/data/shoal shoal settings")
    return run(args_parser, _show, argv)


def _show(_: argparse.Namespace) -> int:
    settings = Settings()
    for name, field in Settings.model_fields.items():
        variable, value = f"SHOAL_{name.upper()}", getattr(settings, name)
        from_file = f" Or from a file: {variable}_FILE." if is_secret(field) else ""
        print(f"{variable}={'' if value is None else value}\n    {field.description}{from_file}")
    print(f"\nlake      {settings.lake_uri}\nregistry  {settings.registry_uri}\nruns      {settings.runs_uri}")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
