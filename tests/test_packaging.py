"""The wheel: one name in site-packages, every file of ours under it, and a command that runs from anywhere."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from shoal import __version__

ROOT = Path(__file__).resolve().parent.parent
APP = ("cluster", "models", "pipelines", "serve_apps", "tune")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, unpacked as pip does it."""
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def test_holds_our_files_and_no_others(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    info = f"shoal-{__version__}.dist-info"
    code = {f"shoal/{path}" for path in _files("shoal")} | {
        f"shoal/app/{package}/{path}" for package in APP for path in _files(package)
    }
    metadata = {"METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE"}
    assert names == code | {f"{info}/{name}" for name in metadata}
    assert "shoal/requirements.lock" in names


def test_programs_stay_programs(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        scripts = [entry for entry in archive.infolist() if entry.filename.endswith(".sh")]
    assert all(entry.external_attr >> 16 & 0o111 for entry in scripts)


def test_runs_from_another_folder(site: Path, tmp_path: Path) -> None:
    assert "shoal COMMAND" in _python("-m", "shoal", "--help", site=site, cwd=tmp_path)
    shown = _python("-m", "shoal", "settings", site=site, cwd=tmp_path)
    assert f"lake      {tmp_path}/.shoal/lake" in shown


def test_every_command_comes_from_the_wheel(site: Path, tmp_path: Path) -> None:
    """The launcher's root goes before a checkout that is on the path as well, here and in Ray's workers."""
    code = (
        "import os, sys; from shoal.launcher import COMMANDS, main\n"
        "assert main(['settings']) == 0\n"
        "import importlib\n"
        "print(*(importlib.import_module(module).__file__ for module, _ in COMMANDS.values()), sep='\\n')\n"
        "from cluster.ray_session import CODE_ROOT\n"
        "print(CODE_ROOT, os.environ['PYTHONPATH'].split(os.pathsep)[0], sep='\\n')"
    )
    shown = _python("-c", code, site=site, cwd=tmp_path)
    places = shown[shown.rindex("\nruns") :].splitlines()[2:]
    assert len(places) > 2
    assert all(Path(place).is_relative_to(site / "shoal" / "app") for place in places), places


def _files(package: str) -> set[str]:
    folder = ROOT / package
    return {
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def _python(*arguments: str, site: Path, cwd: Path) -> str:
    """What Python prints with the unpacked wheel on its path and an empty home."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(site), "HOME": str(cwd)}
    done = subprocess.run([sys.executable, *arguments], cwd=cwd, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout
