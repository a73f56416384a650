"""Write the Serve config of the graph into the manifests: `serveConfigV2` of each RayService, made from the code.

It is what `serve build` makes, with the options of `serve_options.py` and the room that a place has.
"""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from cluster.commands.console import parser, run, say
from models.errors import ConfigError
from serve_apps.serve_options import PRODUCTION, SMALL_CLUSTER, TIERS, Room

_HEAD = "# Made by `make serve-config` from serve_apps/serve_options.py, which has the reasons.\n"
PLACES: dict[str, tuple[Room, str]] = {
    "base/serve.rayservice.yaml": (SMALL_CLUSTER, "  serveConfigV2: |\n"),
    "overlays/production/serve-config.patch.yaml": (PRODUCTION, "  value: |\n"),
}
"""Each file under `k8s/` that embeds a config: the room there, and the line before it."""


def serve_config(room: Room) -> dict[str, Any]:
    """A multi-application config (`ray.serve.schema.ServeDeploySchema`) with one application."""
    return {
        "proxy_location": "EveryNode",
        "http_options": {"host": "0.0.0.0", "port": 8000, "request_timeout_s": 30},
        "applications": [
            {
                "name": "shoal",
                "route_prefix": "/",
                "import_path": "serve_apps.app:build_app",
                "args": {},
                "deployments": [tier.options(room) for tier in TIERS],
            }
        ],
    }


def embedded(text: str, room: Room, line_before: str) -> str:
    """The manifest with the config of a room in place of the one that it has; `ConfigError` when it has none."""
    before, found, after = text.partition(line_before)
    if not found:
        raise ConfigError(f"the manifest has no line {line_before.strip()!r}. Put one where the config belongs.")
    indent = " " * (len(line_before) - len(line_before.lstrip()) + 2)
    lines = after.splitlines(keepends=True)
    end = next((at for at, line in enumerate(lines) if line.strip() and not line.startswith(indent)), len(lines))
    config = _HEAD + yaml.safe_dump(serve_config(room), sort_keys=False, width=110)
    return before + found + textwrap.indent(config, indent) + "".join(lines[end:])


def main(argv: Sequence[str] | None = None) -> int:
    """Write the manifests anew."""
    args_parser = parser("serve-config", __doc__, "python -m serve_apps.serve_config k8s")
    args_parser.add_argument("folder", type=Path, help="the folder of the manifests")
    return run(args_parser, lambda args: _write(args.folder), argv)


def _write(folder: Path) -> int:
    for name, (room, line_before) in PLACES.items():
        path = folder / name
        path.write_text(embedded(path.read_text(), room, line_before))
        say(f"{path}: {len(TIERS)} deployments")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
