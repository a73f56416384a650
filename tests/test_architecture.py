"""Keeps the design: import directions, homes of libraries, no cycles, and imports that do nothing."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("models", "cluster", "pipelines", "tune", "serve_apps", "shoal")
ALLOWED = {
    "models": {"models"},
    "cluster": {"models", "cluster"},
    "pipelines": {"models", "cluster", "pipelines"},
    "tune": {"models", "cluster", "pipelines", "tune"},
    "serve_apps": {"models", "cluster", "serve_apps"},
    "shoal": {"shoal"},
}
TORCH_RETRIEVERS = tuple(f"models.retrievers.{name}" for name in ("two_tower", "sequence", "neural_cf"))
NETS = ("models/nets/", *(name.replace(".", "/") + ".py" for name in TORCH_RETRIEVERS))
"""What of `models` is made of torch; `recommender` loads it, and all the rest are nouns."""
HOMES = {
    "redis": ("cluster/redis/",),
    "deltalake": ("cluster/delta/",),
    "confluent_kafka": ("cluster/kafka_topic.py",),
    "cryptography": ("cluster/privacy/keys.py", "cluster/privacy/emails.py", "cluster/privacy/receipts.py"),
    "s3fs": ("cluster/storage.py",),
    "tantivy": ("models/text_index.py",),
    "fastapi": ("serve_apps/http/", "serve_apps/gateway_replica.py"),
    "matplotlib": ("pipelines/figure.py",),
    "optuna": ("tune/",),
    "pyparsing": ("models/filters/grammar.py",),
    "ray.tune": ("tune/",),
    "ray.data": ("pipelines/",),
    "ray.train": ("pipelines/", "tune/"),
    "ray.serve": ("serve_apps/app.py", "serve_apps/gateway_replica.py", "serve_apps/hops.py"),
    "torch": (*NETS, "pipelines/learning/", "pipelines/planning/"),
    "torchrec": (*NETS, "pipelines/learning/", "pipelines/planning/"),
}
FORBIDDEN_IN_MODELS = (
    "ray", "redis", "sqlite3", "s3fs", "fsspec", "boto3", "deltalake", "fastapi", "starlette", "uvicorn", "httpx",
    "requests", "http", "socket", "urllib",
)  # fmt: skip
TOP_LEVEL = {
    *PACKAGES, "k8s", "tests", "docs", "pyproject.toml", "README.md", "Makefile", "CHANGELOG.md", "CONTRIBUTING.md",
    "LICENSE",
}  # fmt: skip
MAX_FILE_LINES, MAX_FUNCTION_LINES = 400, 80


def sources(root: Path) -> Iterator[Path]:
    for package in PACKAGES:
        yield from module_names(root, package).values()


def module_names(root: Path, package: str) -> dict[str, Path]:
    """Dotted name and file of each module of a package."""
    return {
        path.relative_to(root).with_suffix("").as_posix().replace("/", ".").removesuffix(".__init__"): path
        for path in sorted((root / package).rglob("*.py"))
    }


def imports(path: Path, *, top_level: bool = False) -> set[str]:
    """Dotted names a file imports; `from ray import serve` and a use of `ray.serve` count as that."""
    tree = ast.parse(path.read_text())
    nodes = tree.body if top_level else list(ast.walk(tree))
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "ray":
            found.add(f"ray.{node.attr}")
    return found


def within(name: str, library: str) -> bool:
    return name == library or name.startswith(library + ".")


def wrong_directions(root: Path) -> list[str]:
    problems = []
    for path in sources(root):
        home = path.relative_to(root).parts[0]
        for name in imports(path):
            top = name.split(".")[0]
            # The launcher finds modules by name; it imports none of them.
            if top in PACKAGES and top not in ALLOWED[home]:
                problems.append(f"{path.relative_to(root)} imports {name}")
            if home == "models" and top in FORBIDDEN_IN_MODELS:
                problems.append(f"{path.relative_to(root)} imports {name}")
    return problems


def away_from_home(root: Path) -> list[str]:
    problems = []
    for path in sources(root):
        place = path.relative_to(root).as_posix()
        for name in imports(path):
            for library, homes in HOMES.items():
                if within(name, library) and not place.startswith(homes):
                    problems.append(f"{place} imports {name}, whose home is {', '.join(homes)}")
    return problems


def cycles(root: Path) -> list[str]:
    """Modules that import themselves through others, by imports at the top of files."""
    modules = {name: path for package in PACKAGES for name, path in module_names(root, package).items()}
    edges = {
        name: {i for i in imports(path, top_level=True) if i in modules and i != name} for name, path in modules.items()
    }
    done: set[str] = set()
    found: list[str] = []

    def visit(name: str, trail: list[str]) -> None:
        if name in trail:
            found.append(" -> ".join([*trail[trail.index(name) :], name]))
        elif name not in done:
            for other in sorted(edges[name]):
                visit(other, [*trail, name])
            done.add(name)

    for name in sorted(edges):
        visit(name, [])
    return found


def too_long(root: Path) -> list[str]:
    problems = []
    for path in sources(root):
        text = path.read_text()
        if len(text.splitlines()) > MAX_FILE_LINES:
            problems.append(f"{path.relative_to(root)} has more than {MAX_FILE_LINES} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and _num_lines(node) > MAX_FUNCTION_LINES:
                problems.append(f"{path.relative_to(root)}:{node.name} has more than {MAX_FUNCTION_LINES} lines")
    return problems


def _num_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    assert node.end_lineno is not None
    return node.end_lineno - node.lineno + 1


@pytest.mark.parametrize("rule", [wrong_directions, away_from_home, cycles, too_long])
def test_the_tree_keeps_the_rule(rule: Callable[[Path], list[str]]) -> None:
    assert rule(ROOT) == []


@pytest.mark.parametrize(
    ("rule", "files"),
    [
        (wrong_directions, {"serve_apps/a.py": "from pipelines.train import main"}),
        (wrong_directions, {"models/a.py": "import ray"}),
        (wrong_directions, {"cluster/a.py": "def f():\n    from serve_apps import app"}),
        (away_from_home, {"pipelines/a.py": "import redis"}),
        (away_from_home, {"serve_apps/b.py": "from ray import serve"}),
        (away_from_home, {"cluster/a.py": "import ray\n\ndef f():\n    return ray.data.range(1)"}),
        (away_from_home, {"models/events.py": "import torch"}),
        (cycles, {"models/a.py": "from models.b import x", "models/b.py": "import models.a"}),
        (too_long, {"models/a.py": "\n" * (MAX_FILE_LINES + 1)}),
        (too_long, {"models/a.py": "def f():\n" + "    x = 1\n" * MAX_FUNCTION_LINES}),
    ],
)
def test_each_rule_can_fail(tmp_path: Path, rule: Callable[[Path], list[str]], files: dict[str, str]) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert rule(tmp_path) != []


def test_the_root_holds_only_what_the_design_names() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    names = {line.split("/")[0] for line in listed.splitlines()}
    assert {name for name in names if not name.startswith(".")} <= TOP_LEVEL


def test_no_package_marker_under_tests_and_no_grab_bag() -> None:
    assert list((ROOT / "tests").rglob("__init__.py")) == []
    assert [path for path in sources(ROOT) if path.name in ("utils.py", "helpers.py", "common.py")] == []


def test_nouns_load_without_torch() -> None:
    torch_made = ("models.nets.", *TORCH_RETRIEVERS, "models.retrievers.loading", "models.recommender")
    nouns = [name for name in module_names(ROOT, "models") if not name.startswith(torch_made)]
    assert "models.events" in nouns
    code = f"import sys; import {', '.join(nouns)}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


@pytest.mark.slow
def test_importing_does_nothing(tmp_path: Path) -> None:
    """Every module in one process, in an empty home: nothing printed, no file made, Ray not started."""
    names = [name for package in PACKAGES for name in module_names(ROOT, package) if not name.endswith("__main__")]
    code = f"import {', '.join(names)}; import ray; assert not ray.is_initialized()"
    environment = {
        "HOME": str(tmp_path),
        "PYTHONPATH": str(ROOT),
        "PATH": "/usr/bin:/bin",
        "MPLCONFIGDIR": str(tmp_path),
    }
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2_000:]
    assert done.stdout == ""
    assert list(tmp_path.iterdir()) == []
