"""Every curl line of the pages does what it says, run as it is printed by the real program against a real server.

The lines of a page run in order against one server that holds what `make demo` leaves: users `u0000 …`, items
`i0000 …`.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from cluster.online import catalogue
from cluster.registry import Registry
from models.catalogue_entries import Kind, parse_entry
from serve_apps.http.door_options import DoorOptions
from tests.serve_apps.conftest import ids
from tests.serve_apps.graph import built
from tests.serve_apps.listening import listening
from tests.serve_apps.sample_bundle import publish

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[3]
PAGES = ("README.md", "docs/serving.md", "docs/catalogue.md")
NUM_ITEMS = 60
PRINTED = "localhost:8000"
STATUS = "curl() { command curl -sS --max-time 60 -w '\\n%{http_code}' \"$@\"; }"
"""What a person sees in their terminal, and the status behind it."""


@dataclass(frozen=True)
class Ran:
    """A line, and what came of it. `body`: the JSON of the answer; None where it is none."""

    line: str
    status: int
    body: Any


def lines(page: str) -> list[str]:
    """The curl lines of a page: those of its indented and fenced blocks."""
    found = re.findall(r"^ *(curl (?:\\\n|.)*)$", (ROOT / page).read_text(), re.MULTILINE)
    return [line.strip() for line in found]


def run(line: str, address: str, folder: Path) -> Ran:
    """Run one line in a shell, with the server's port in the place of the printed one."""
    assert PRINTED in line, line
    script = f"{STATUS}\n{line.replace(PRINTED, address)}"
    done = subprocess.run(["bash", "-c", script], cwd=folder, capture_output=True, text=True, timeout=90)
    assert done.returncode == 0, f"{line}\n{done.stderr}"
    shown, _, status = done.stdout.rpartition("\n")
    try:
        body = json.loads(shown)
    except ValueError:
        body = None
    return Ran(line, int(status), body)


@pytest.fixture(scope="module")
def demo_registry(tmp_path_factory: pytest.TempPathFactory) -> str:
    registry = Registry(str(tmp_path_factory.mktemp("registry")))
    publish(registry, "v1", num_items=NUM_ITEMS, id_digits=4)
    registry.promote("v1")
    return registry.uri


@pytest.fixture
def address(demo_registry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Host and port of a server as the demo leaves one."""
    monkeypatch.setenv("SHOAL_HOME", str(tmp_path))
    with ExitStack() as stack:
        graph = stack.enter_context(built(demo_registry, f"sqlite:///{tmp_path / 'online.db'}", DoorOptions()))
        items = [(f"i{n:04}", parse_entry(Kind.ITEM, {"title": f"Title {n}"})) for n in range(NUM_ITEMS)]
        catalogue.put(graph.store.catalogue, Kind.ITEM, items)
        address = urlsplit(stack.enter_context(listening(graph.app))).netloc
        run(
            f"curl '{PRINTED}/api/recommendations/home?user_id=u0001&timeout_ms=10000'", address, tmp_path
        )  # it is warm
        yield address


@pytest.mark.parametrize("page", PAGES)
def test_every_line_of_a_page_is_answered(page: str, address: str, tmp_path: Path) -> None:
    assert lines(page)
    for line in lines(page):
        ran = run(line, address, tmp_path)
        assert 200 <= ran.status < 300, f"{line}\n{ran.status} {ran.body}"
        if "/recommendations/" in line:
            assert ran.body["items"] or "late" in str(ran.body["fallback_cause"]), line  # on a machine too busy
        if "/interactions" in line or "/feedback" in line:
            assert ran.body["accepted"] == len(ran.body["results"]), line


def test_the_minute_of_the_readme_keeps_its_promises(address: str, tmp_path: Path) -> None:
    ask, click, again, withdraw, live, *_ = lines("README.md")
    assert ask == again

    def patiently(line: str) -> Any:
        """The same with all items and time enough, for other tests may share the machine."""
        return run(line.replace("limit=3", f"limit={NUM_ITEMS}&timeout_ms=10000"), address, tmp_path).body

    assert patiently(ask)["freshness_ms"] is None
    clicked = json.loads(run(click, address, tmp_path).line.split("'")[1])["item_id"]
    answer = patiently(again)
    assert answer["freshness_ms"] is not None
    assert all(item["reason"].startswith("Because you") for item in answer["items"])
    assert clicked in ids(patiently(again.replace("u0000", "u0001")))
    run(withdraw, address, tmp_path)
    assert clicked not in ids(patiently(again.replace("u0000", "u0001")))
    assert run(live, address, tmp_path).body["country"] == "NO"


def test_the_readme_shows_every_operation_there_is(address: str) -> None:
    """All that an application or an operator would ask for: the probes, and many at once, aside."""
    document = httpx.get(f"http://{address}/openapi.json", timeout=300).json()
    there = {
        (method.upper(), path)
        for path, operations in document["paths"].items()
        for method in operations
        if path not in ("/api/items", "/api/users", "/api/health/live", "/api/health/ready")
    }
    shown = {asked(line) for line in lines("README.md")}
    missing = {(method, path) for method, path in there if not any(fits(method, path, each) for each in shown)}
    assert missing == set()


def asked(line: str) -> tuple[str, str]:
    """Method and path of a line."""
    said = re.search(r"-X (\w+)", line)
    method = said[1] if said else "POST" if " -d " in line and " -G " not in line else "GET"
    path = re.search(rf"{PRINTED}(/[^\s'?]*)", line)
    assert path is not None, line
    return method, path[1]


def fits(method: str, path: str, shown: tuple[str, str]) -> bool:
    """True when a line asks for the operation."""
    pattern = re.escape(path).replace(re.escape("{id}"), "[^/]+")
    return method == shown[0] and re.fullmatch(pattern, shown[1]) is not None
