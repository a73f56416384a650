"""The rules of a row as a file says them: a table of TOML, strict.

[selection]
diversity = { mmr = 0.7 }                            # or { dpp = 0.7 }
caps = [{ at_most = 2, window = 5 }]                 # categories = ["Drama"], soft = true
freshness = { weight = 0.2, half_life_s = 604_800 }
exploration = { epsilon = 0.05, positions = [3] }    # or { plackett_luce = 0.1 }
pins = { 0 = "i12" }
promoted = ["i7", "i8"]
promoted_positions = [4, 9]
boosts = [{ filter = 'genres ANY ("Drama")', multiply = 1.5, add = 0.0 }]
buried = ['age_rating > 16']
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar

from models.errors import ConfigError, FilterError, InputError
from models.events import check_id
from models.filters.parser import parse
from models.selection.boosts import Boost
from models.selection.caps import Cap
from models.selection.control import Control
from models.selection.dpp import Dpp
from models.selection.exploration import Epsilon, PlackettLuce
from models.selection.freshness import Freshness
from models.selection.mmr import Mmr
from models.selection.rules import Rules, SelectionConfig

_CONFIG = ("diversity", "caps", "freshness", "exploration")
_CONTROL = ("pins", "promoted", "promoted_positions", "boosts", "buried")
_Part = TypeVar("_Part")


def parse_rules(body: object) -> Rules:
    """The rules of a table. `ConfigError` says which key is wrong; of an unknown one the nearest is named."""
    table = _table("selection", body)
    _check_keys("selection", table, (*_CONFIG, *_CONTROL))
    found = {name: _READ[name](table[name]) for name in table}
    config = SelectionConfig(**{name: found[name] for name in _CONFIG if name in found})
    try:
        return Rules(config, Control(**{name: found[name] for name in _CONTROL if name in found}))
    except InputError as error:
        raise ConfigError(f"selection contradicts itself: {error}") from error


def _diversity(value: object) -> Mmr | Dpp:
    name, table = _one_of("diversity", value, ("mmr", "dpp"))
    _check_keys("diversity", table, (name,))
    trade_off = _number(f"diversity.{name}", table[name])
    return Mmr(trade_off) if name == "mmr" else Dpp(trade_off)


def _cap(value: object) -> Cap:
    table = _table("caps", value)
    _check_keys("caps", table, ("at_most", "window", "categories", "soft"))
    categories = table.get("categories")
    return Cap(
        _whole("caps.at_most", table.get("at_most")),
        None if table.get("window") is None else _whole("caps.window", table["window"]),
        None if categories is None else frozenset(_list("caps.categories", categories, _text)),
        _flag("caps.soft", table.get("soft", False)),
    )


def _freshness(value: object) -> Freshness:
    table = _table("freshness", value)
    _check_keys("freshness", table, ("weight", "half_life_s"))
    return Freshness(*(_number(f"freshness.{name}", table.get(name)) for name in ("weight", "half_life_s")))


def _exploration(value: object) -> Epsilon | PlackettLuce:
    name, table = _one_of("exploration", value, ("epsilon", "plackett_luce"))
    _check_keys("exploration", table, (name, "positions") if name == "epsilon" else (name,))
    amount = _number(f"exploration.{name}", table[name])
    if name == "plackett_luce":
        return PlackettLuce(amount)
    positions = table.get("positions")
    return Epsilon(amount, None if positions is None else frozenset(_list("exploration.positions", positions, _whole)))


def _pins(value: object) -> dict[int, str]:
    table = _table("pins", value)
    wrong = [key for key in table if not (key.isascii() and key.isdigit() and str(int(key)) == key)]
    if wrong:
        raise ConfigError(f'pins: {wrong[0]!r} is no position. Write one from the top, as in pins = {{ 0 = "i12" }}.')
    return {int(key): _id(f"pins.{key}", item_id) for key, item_id in table.items()}


def _boost(value: object) -> Boost:
    table = _table("boosts", value)
    _check_keys("boosts", table, ("filter", "multiply", "add"))
    numbers = {name: _number(f"boosts.{name}", table[name]) for name in ("multiply", "add") if name in table}
    text = _filter("boosts.filter", table.get("filter"))
    try:
        return Boost(text, **numbers)
    except InputError as error:
        raise ConfigError(f"boosts: {error}") from error


_READ: dict[str, Callable[[object], Any]] = {
    "diversity": _diversity,
    "caps": lambda value: _list("caps", value, lambda _, one: _cap(one)),
    "freshness": _freshness,
    "exploration": _exploration,
    "pins": _pins,
    "promoted": lambda value: _list("promoted", value, _id),
    "promoted_positions": lambda value: _list("promoted_positions", value, _whole),
    "boosts": lambda value: _list("boosts", value, lambda _, one: _boost(one)),
    "buried": lambda value: _list("buried", value, _filter),
}


def _table(where: str, value: object) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ConfigError(f"{where} must be a table; got {value!r}.")
    return value


def _one_of(where: str, value: object, names: Collection[str]) -> tuple[str, Mapping[str, Any]]:
    """The one of the names that the table has."""
    table = _table(where, value)
    there = [name for name in names if name in table]
    if len(there) != 1:
        unknown = [key for key in table if key not in names]
        near = f" The nearest to {unknown[0]!r} is {_nearest(unknown[0], names)!r}." if unknown else ""
        raise ConfigError(f"{where} takes one of {', '.join(names)}; got {', '.join(table) or 'none'}.{near}")
    return there[0], table


def _list(where: str, value: object, read: Callable[[str, Any], _Part]) -> tuple[_Part, ...]:
    if not isinstance(value, list):
        raise ConfigError(f"{where} must be a list; got {value!r}.")
    return tuple(read(where, one) for one in value)


def _number(where: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ConfigError(f"{where} must be a number; got {value!r}.")
    return float(value)


def _whole(where: str, value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise ConfigError(f"{where} must be a whole number; got {value!r}.")
    return value


def _flag(where: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise ConfigError(f"{where} must be true or false; got {value!r}.")
    return value


def _text(where: str, value: object) -> str:
    if not isinstance(value, str):
        raise ConfigError(f"{where} must be text; got {value!r}.")
    return value


def _id(where: str, value: object) -> str:
    try:
        return check_id(where, value)
    except InputError as error:
        raise ConfigError(str(error)) from error


def _filter(where: str, value: object) -> str:
    text = _text(where, value)
    try:
        parse(text)
    except FilterError as error:
        raise ConfigError(f"{where}: {error}") from error
    return text


def _check_keys(where: str, table: Mapping[str, Any], known: Collection[str]) -> None:
    for key in table:
        if key not in known:
            raise ConfigError(f"{where} has an unknown key {key!r}. The nearest is {_nearest(key, known)!r}.")


def _nearest(key: str, known: Collection[str]) -> str:
    return difflib.get_close_matches(key, known, n=1, cutoff=0.0)[0]
