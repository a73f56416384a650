"""`--set a.b=c` on a recipe: every key must exist and every value must have the type of the one it replaces."""

from __future__ import annotations

import difflib
import json
from collections.abc import Sequence
from typing import Any

from models.errors import ConfigError


def apply_overrides(config: dict[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """A copy of a nested config with each `a.b=c` set; `ConfigError` names the nearest key to an unknown one."""
    changed = json.loads(json.dumps(config))
    for override in overrides:
        key, separator, text = override.partition("=")
        if not separator:
            raise ConfigError(f"--set {override!r} has no '='. Write it as --set key=value.")
        _set(changed, key.strip(), text.strip())
    return dict(changed)


def leaf_keys(config: dict[str, Any], prefix: str = "") -> list[str]:
    """Dotted names of every value of a nested config."""
    keys: list[str] = []
    for name, value in config.items():
        keys += leaf_keys(value, f"{prefix}{name}.") if isinstance(value, dict) else [prefix + name]
    return keys


def unknown_key(key: str, known: Sequence[str]) -> ConfigError:
    """The error for a key that does not exist."""
    near = difflib.get_close_matches(key, known, n=1, cutoff=0.0)
    return ConfigError(f"there is no setting {key!r}. The nearest is {near[0]!r}." if near else f"no setting {key!r}.")


def _set(config: dict[str, Any], key: str, text: str) -> None:
    known = leaf_keys(config)
    if key not in known:
        raise unknown_key(key, known)
    *path, last = key.split(".")
    for part in path:
        config = config[part]
    config[last] = _parse(key, text, config[last])


def _parse(key: str, text: str, current: object) -> object:
    if isinstance(current, str):
        return text
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if isinstance(current, float) and type(value) is int:
        return float(value)
    if type(value) is type(current):
        return value
    raise ConfigError(f"--set {key}={text}: expected a {type(current).__name__} like {json.dumps(current)}.")
