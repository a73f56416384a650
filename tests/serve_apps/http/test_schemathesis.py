"""A client that was made from the OpenAPI document alone, by people who know nothing of us, finds nothing wrong.

It is schemathesis: every operation, with what the document allows and with what it does not, one by one and in
sequences, over real HTTP. It looks for 5xx, for answers that the document does not describe (status, type, schema,
headers), for requests that are taken or refused against it, for methods that are not there, and for doors that a wrong
key opens. schemathesis.toml says where it is not believed, and why.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from serve_apps.http.door_options import DoorOptions, admin_keys
from tests.serve_apps.graph import built
from tests.serve_apps.listening import listening

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1_800)]
HERE = Path(__file__).parent
CASES = int(os.environ.get("API_CASES", "200"))
"""Drawn at random; some 2,000 more are worked out from the document."""
KEY = "a-key-for-the-client"


@pytest.mark.parametrize("keys", [(), (KEY,)], ids=["open", "keys"])
def test_the_client_finds_nothing(
    keys: tuple[str, ...], sample_registry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOAL_HOME", str(tmp_path))
    door = DoorOptions(fixed_keys=admin_keys(*keys))
    with ExitStack() as stack:
        graph = stack.enter_context(built(sample_registry, f"sqlite:///{tmp_path / 'online.db'}", door))
        url = stack.enter_context(listening(graph.app))
        key = {"Authorization": f"Bearer {KEY}"} if keys else {}
        document = httpx.get(f"{url}/openapi.json", headers=key, timeout=60).json()
        # From now on there is a row for whoever cannot be answered in time, so that no answer is a 503.
        ready = httpx.get(f"{url}/api/recommendations/home?user_id=u0&timeout_ms=10000", headers=key, timeout=60)
        assert ready.status_code == 200
        num_operations = sum(len(operations) for operations in document["paths"].values())
        said = _schemathesis(url, -(-CASES // num_operations), key, tmp_path)
    generated = re.search(r"(\d+) generated", said)
    assert generated is not None, said
    assert int(generated[1]) >= CASES
    assert f"Tested: {num_operations}\n" in said


def _schemathesis(url: str, max_examples: int, key: dict[str, str], folder: Path) -> str:
    """What it says; fails when it found anything."""
    # Nobody is asked for a key on loopback without keys, while the document speaks of a server that has some.
    who = [f"--header={name}: {value}" for name, value in key.items()] or ["--exclude-checks=ignored_auth"]
    program = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(HERE / "schemathesis.toml")]
    options = [f"--max-examples={max_examples}", "--seed=1", "--continue-on-failure", "--no-color", *who]
    done = subprocess.run(
        [*program, "run", f"{url}/openapi.json", *options],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(HERE), "SCHEMATHESIS_HOOKS": "client_hooks"},
        capture_output=True,
        text=True,
        timeout=1_700,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
