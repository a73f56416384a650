"""A client that was written from the OpenAPI document alone, by people who know nothing of us, finds nothing wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from serve_apps.http.door_options import DoorOptions, admin_keys
from tests.serve_apps.graph import built
from tests.serve_apps.listening import listening

pytestmark = pytest.mark.slow
HERE = Path(__file__).parent
CASES = int(os.environ.get("API_CASES", "400"))
"""Drawn at random, of all operations together; some 2,400 more are worked out from the document."""
NUM_OPERATIONS = 20
KEY = "a-key-for-the-client"


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    with ExitStack() as stack:
        yield stack


@pytest.mark.parametrize("keys", [(), (KEY,)], ids=["open", "keys"])
def test_the_client_finds_nothing(
    keys: tuple[str, ...],
    sample_registry: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    stack: ExitStack,
) -> None:
    monkeypatch.setenv("SHOAL_HOME", str(tmp_path))
    door = DoorOptions(fixed_keys=admin_keys(*keys))
    graph = stack.enter_context(built(sample_registry, f"sqlite:///{tmp_path / 'online.db'}", door))
    url = stack.enter_context(listening(graph.app))
    report = tmp_path / "report.ndjson"
    # Nobody asks for a key on loopback; the document speaks of a server that has some.
    auth = ["--header", f"Authorization: Bearer {KEY}"] if keys else ["--exclude-checks", "ignored_auth"]
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(HERE / "schemathesis.toml"), "run"]
    options = [f"--max-examples={CASES // NUM_OPERATIONS}", "--seed=1", "--continue-on-failure", "--no-color"]
    done = subprocess.run(
        [*command, f"{url}/openapi.json", *options, *auth, "--report=ndjson", f"--report-ndjson-path={report}"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(HERE), "SCHEMATHESIS_HOOKS": "client_hooks"},
        capture_output=True,
        text=True,
        timeout=550,
    )
    Path(os.environ.get("DUMP", "/dev/null")).write_text(done.stdout + done.stderr)
    assert done.returncode == 0, done.stdout + done.stderr
