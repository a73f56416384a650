"""Real parts for every test: one Ray, one Redis, one S3 endpoint a session, all on loopback."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

from cluster.ray_session import ray_session as start_ray

_ROOT = Path(__file__).resolve().parent.parent
_BUCKET = "shoal-test"

# How long an example takes says how busy the machine is.
settings.register_profile("shoal", deadline=None)
settings.load_profile("shoal")


class _Lines(LoadScopeScheduling):
    """Side by side (`-n 2`), tests of one line run one after the other in one process: see `_line_of`."""

    def _split_scope(self, nodeid: str) -> str:
        return _line_of(_ROOT / nodeid.partition("::")[0])


@cache
def _line_of(file: Path) -> str:
    """A file is a line. All that need Ray are one, because there is one Ray; so are those that a mark puts together,
    because they start servers of their own, and two of a kind at once would want more memory than there is.
    """
    text = file.read_text()
    marked = re.search(r'xdist_group\("(\w+)"\)', text)
    return marked[1] if marked else "ray" if "ray_session" in text else str(file)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> _Lines:
    return _Lines(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long lines come first: what is long must not begin last."""
    lines = {"ray": 0, "servers": 1}
    items.sort(key=lambda item: lines.get(_line_of(item.path), 2))


@pytest.fixture(scope="session", autouse=True)
def _privacy_key() -> Iterator[None]:
    """The key of erasures and sealed texts, so that no test makes one in the home of who runs it."""
    before = os.environ.setdefault("SHOAL_PRIVACY_KEY", "5a" * 32)
    yield
    if os.environ.get("SHOAL_PRIVACY_KEY") == before:
        del os.environ["SHOAL_PRIVACY_KEY"]


@pytest.fixture(scope="session")
def ray_session(s3_endpoint: str) -> Iterator[None]:
    """The one Ray of the session. Its workers inherit the environment of its start, so the S3 endpoint comes first."""
    with start_ray(num_cpus=6):
        yield


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Folder of real data sets beside the checkout."""
    folder = _ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no real data beside the checkout ({folder.name} not found); this test needs it")
    return folder


@pytest.fixture(scope="session")
def s3_endpoint() -> Iterator[str]:
    """Address of an S3 endpoint over HTTP with an empty bucket `shoal-test`; the environment points to it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    server = subprocess.Popen(
        [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    environment = {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_REGION": "us-east-1",
        "SHOAL_S3_ENDPOINT": url,
        "AWS_ENDPOINT_URL": url,
        "AWS_ALLOW_HTTP": "true",
    }
    before = {name: os.environ.get(name) for name in environment}
    os.environ.update(environment)
    try:
        _create_bucket(url)
        yield url
    finally:
        server.terminate()
        server.wait(10)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _create_bucket(url: str) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            request = urllib.request.Request(f"{url}/{_BUCKET}", method="PUT")
            urllib.request.urlopen(request, timeout=5).close()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
