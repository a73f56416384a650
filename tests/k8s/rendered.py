"""What `kubectl kustomize` makes of the manifests, and how to find things in it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
TARGETS = ("base", "overlays/local", "overlays/production")
Document = dict[str, Any]


@cache
def render(target: str) -> tuple[Document, ...]:
    """The documents of a base or an overlay; the test is skipped where there is no kubectl."""
    if shutil.which("kubectl") is None:
        pytest.skip("kubectl is not installed: the Kubernetes manifests are NOT checked")
    command = ["kubectl", "kustomize", str(ROOT / "k8s" / target)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return tuple(yaml.safe_load_all(done.stdout))


def named(documents: tuple[Document, ...], kind: str, name: str) -> Document:
    """The one document of that kind and name."""
    (found,) = [d for d in documents if d["kind"] == kind and d["metadata"]["name"] == name]
    return found


def ray_clusters(documents: tuple[Document, ...]) -> list[Document]:
    """The RayCluster part of each RayService and RayJob."""
    specs = [d["spec"] for d in documents if d["apiVersion"] == "ray.io/v1"]
    return [spec.get("rayClusterConfig") or spec["rayClusterSpec"] for spec in specs]


def pods(node: Any) -> Iterator[Document]:
    """Every pod specification in a document or a list of them."""
    if isinstance(node, dict):
        if "containers" in node:
            yield node
        for value in node.values():
            yield from pods(value)
    elif isinstance(node, list | tuple):
        for value in node:
            yield from pods(value)


def containers(node: Any) -> Iterator[Document]:
    """Every container in a document or a list of them."""
    for pod in pods(node):
        yield from pod["containers"]
