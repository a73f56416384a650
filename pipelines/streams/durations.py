"""Spans of time as a command takes them: `10s`, `5m`, `1h`."""

from __future__ import annotations

import argparse
import re

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0}


def seconds(text: str) -> float:
    """`90s` → 90.0, `5m` → 300.0; a number alone is seconds."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h)?", text.strip())
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no span of time; write 10s, 5m or 1h")
    return float(match[1]) * _SECONDS[match[2] or "s"]
