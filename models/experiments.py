"""A/B tests: which variant answers which user. Assignment is a hash, so it is sticky without being stored.

salt = "home-2026-01"

[[variants]]
name = "popularity"
weight = 10
source = "popularity"

[[variants]]
name = "model"
weight = 90
source = "model"            # version = "…" pins one; without it the champion answers

[variants.sources]          # shares of the row by source; without it the model has all of it
model = 0.8
trending = 0.1
new = 0.1
followed = 0                # no share: for pages of rows, and where the others have run out

[variants.selection]        # its rules of rows; without them those of a [selection] at the top hold
diversity = { mmr = 0.7 }
"""

from __future__ import annotations

import difflib
import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, get_args

from models.errors import ConfigError
from models.selection.blocks import Blocks
from models.selection.rules import NO_RULES, Rules
from models.selection.rules_file import parse_rules

Source = Literal["model", "popularity"]
SourceName = Literal["model", "co_visited", "content", "trending", "new", "continue", "followed", "popularity"]
"""What can offer items for a home row (`serve_apps/chain/sources/`)."""


@dataclass(frozen=True, slots=True)
class Variant:
    """One arm. `version` None follows the champion. `selection`: how its rows are chosen from what was found.
    `sources`: shares of the row by source, in the order of a page's rows; empty: the model alone. They are the blocks
    of its rules.
    """

    name: str
    weight: float
    source: Source = "model"
    version: str | None = None
    selection: Rules = NO_RULES
    sources: Mapping[SourceName, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        config = self.selection.config
        if self.sources:
            blocks = Blocks({name: share for name, share in self.sources.items() if share})
            object.__setattr__(self, "selection", replace(self.selection, config=replace(config, blocks=blocks)))


@dataclass(frozen=True, slots=True)
class Experiment:
    """Variants and the salt of their hash; a new salt deals the users anew."""

    salt: str
    variants: tuple[Variant, ...]

    def assign(self, user_id: str) -> Variant:
        """The user's variant: the same for as long as salt and weights stay."""
        digest = hashlib.blake2b(f"{self.salt}\x1f{user_id}".encode(errors="surrogatepass"), digest_size=8).digest()
        point = int.from_bytes(digest, "big") / 2**64 * sum(v.weight for v in self.variants)
        for variant in self.variants:
            point -= variant.weight
            if point < 0:
                return variant
        return self.variants[-1]

    @property
    def pinned(self) -> tuple[str, ...]:
        """Versions that variants name, each once."""
        return tuple(dict.fromkeys(variant.version for variant in self.variants if variant.version))

    def propensity(self, variant: Variant) -> float:
        """Probability with which a random user gets the variant."""
        return variant.weight / sum(v.weight for v in self.variants)


CHAMPION_FOR_ALL = Experiment("champion", (Variant("model", 1.0),))


def load_experiment(path: Path | None) -> Experiment:
    """The experiment of a file; the champion for everybody when there is none. `ConfigError` says what is wrong."""
    if path is None:
        return CHAMPION_FOR_ALL
    try:
        return parse_experiment(tomllib.loads(path.read_text()))
    except OSError as error:
        raise ConfigError(f"experiments file {path} cannot be read: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"experiments file {path} is not TOML: {error}.") from error


def parse_experiment(body: Mapping[str, Any]) -> Experiment:
    """Strict: an unknown key is an error that names the nearest one."""
    _check_keys(body, ["salt", "selection", "variants"])
    rules = parse_rules(body.get("selection", {}))
    entries = body.get("variants")
    if not isinstance(entries, list) or not entries or not all(isinstance(entry, dict) for entry in entries):
        raise ConfigError("the experiment has no [[variants]]. Name at least one, as tables.")
    variants = tuple(_variant(entry, rules) for entry in entries)
    names = [variant.name for variant in variants]
    if len(set(names)) < len(names):
        raise ConfigError(f"variant names must differ; got {', '.join(names)}.")
    if not isinstance(body.get("salt"), str) or not body["salt"]:
        raise ConfigError('the experiment has no salt. Add a line like: salt = "home-2026-01"')
    return Experiment(body["salt"], variants)


def _variant(entry: Mapping[str, Any], rules: Rules) -> Variant:
    _check_keys(entry, [f.name for f in fields(Variant)])
    weight = entry.get("weight")
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 < weight < float("inf"):
        raise ConfigError(f"a variant's weight must be a number above 0; got {weight!r}.")
    if not isinstance(entry.get("name"), str) or not entry["name"]:
        raise ConfigError(f"a variant's name must be text; got {entry.get('name')!r}.")
    source = entry.get("source", "model")
    if source not in get_args(Source):
        raise ConfigError(f"variant source {source!r} is unknown. Use one of: {', '.join(get_args(Source))}.")
    version = entry.get("version")
    if version is not None and (not isinstance(version, str) or source != "model"):
        raise ConfigError(f"version {version!r} of a {source} variant: only a model variant has one, and it is text.")
    if "selection" in entry:
        try:
            rules = parse_rules(entry["selection"])
        except ConfigError as error:
            raise ConfigError(f"variant {entry['name']!r}: {error}") from error
    return Variant(entry["name"], float(weight), source, version, rules, _sources(entry.get("sources", {}), source))


def _sources(shares: Any, source: Source) -> Mapping[SourceName, float]:
    if not isinstance(shares, dict) or (shares and source != "model"):
        raise ConfigError(f"sources {shares!r} of a {source} variant: only a model variant has them, as a table.")
    for name, share in shares.items():
        if name not in get_args(SourceName):
            near = difflib.get_close_matches(name, get_args(SourceName), n=1, cutoff=0.0)
            raise ConfigError(f"a variant has an unknown source {name!r}. The nearest is {near[0]!r}.")
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share < float("inf"):
            raise ConfigError(f"the share of source {name!r} must be a number from 0; got {share!r}.")
    if shares and not any(shares.values()):
        raise ConfigError("no source of a variant has a share above 0. Give one to at least one of them.")
    return {name: float(share) for name, share in shares.items()}


def _check_keys(body: Mapping[str, Any], known: list[str]) -> None:
    for key in body:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=1, cutoff=0.0)
            raise ConfigError(f"the experiments file has an unknown key {key!r}. The nearest is {near[0]!r}.")
