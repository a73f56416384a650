"""What the manifests name exists: modules, builders, settings, images, probed paths."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from cluster.settings import Settings
from serve_apps.environment import serve_environment
from tests.k8s.rendered import ROOT, TARGETS, Document, containers, named, ray_clusters, render
from tests.serve_apps.conftest import Serve

_IMAGE = "ghcr.io/shoal/shoal"
_PROBES = ("startupProbe", "readinessProbe", "livenessProbe")


def missing_modules(command: str) -> list[str]:
    """Modules that `python -m` names in a command and that cannot be run so."""
    return [name for name in re.findall(r"python3? -m (\S+)", command) if "main" not in _functions(name)]


def missing_builder(import_path: str) -> str | None:
    """The import path, when its module does not define that function."""
    module, _, function = import_path.partition(":")
    return None if function in _functions(module) else import_path


def wrong_versions(clusters: list[Document], locked: str) -> list[str]:
    """Ray versions of clusters and of our images that are not the locked one."""
    given = [cluster["rayVersion"] for cluster in clusters]
    for image in _our_images(clusters):
        given.append(re.sub(r"^.*:[\d.]+-ray([\d.]+)(-cuda)?$", r"\1", image))
    return [version for version in given if version != locked]


def unknown_settings(node: object) -> set[str]:
    """`SHOAL_*` names that are no setting."""
    known = {f"SHOAL_{name.upper()}" for name in Settings.model_fields}
    return set(re.findall(r"\bSHOAL_[A-Z0-9_]+", json.dumps(node))) - known


@pytest.mark.parametrize("target", TARGETS)
def test_jobs_run_modules_that_are_there(target: str) -> None:
    jobs = [d["spec"]["entrypoint"] for d in render(target) if d["kind"] == "RayJob"]
    assert jobs
    assert [name for job in jobs for name in missing_modules(job)] == []


@pytest.mark.parametrize("target", TARGETS)
def test_serve_builds_from_a_function_that_is_there(target: str) -> None:
    for application in _applications(target):
        assert missing_builder(application["import_path"]) is None


@pytest.mark.parametrize("target", TARGETS)
def test_ray_is_the_locked_one_everywhere(target: str) -> None:
    documents = render(target)
    assert wrong_versions(ray_clusters(documents), _locked_ray()) == []
    assert _our_images(documents) >= _our_images(ray_clusters(documents))


@pytest.mark.parametrize("target", TARGETS)
def test_every_setting_is_one(target: str) -> None:
    assert unknown_settings(render(target)) == set()


@pytest.mark.parametrize("target", TARGETS)
def test_serving_pods_turn_on_what_a_laptop_does(target: str, tmp_path: Path) -> None:
    """The switches; ports, paths and times of `serve_environment` are those of one machine."""
    switches = {name: value for name, value in serve_environment(tmp_path).items() if value in ("0", "1")}
    assert "RAY_SERVE_ENABLE_HA_PROXY" in switches
    for container in containers(named(render(target), "RayService", "shoal")):
        given = {variable["name"]: variable.get("value") for variable in container["env"]}
        assert given.items() >= switches.items()


def test_probes_ask_paths_that_answer_without_a_key(serve: Serve) -> None:
    probes = [
        container[probe]["httpGet"]["path"]
        for container in containers(named(render("base"), "RayService", "shoal"))
        for probe in _PROBES
        if "httpGet" in container.get(probe, {})
    ]
    assert sorted(probes) == ["/api/health/live", "/api/health/ready"]
    server = serve(api_keys=["key"])
    assert [server.http.get(path).status_code for path in probes] == [200, 200]


def test_the_checks_see_what_is_wrong() -> None:
    assert missing_modules("python -m pipelines.retrian --recipe x") == ["pipelines.retrian"]
    assert missing_builder("serve_apps.app:build_ap") == "serve_apps.app:build_ap"
    broken = {"rayVersion": "2.59.0", "containers": [{"name": "w", "image": f"{_IMAGE}:0.1.0-ray2.60.1"}]}
    assert wrong_versions([broken], "2.60.0") == ["2.59.0", "2.60.1"]
    assert wrong_versions([{"rayVersion": "2.60.0", "containers": [{"image": f"{_IMAGE}:latest"}]}], "2.60.0") != []
    assert unknown_settings({"env": [{"name": "SHOAL_LAKES"}]}) == {"SHOAL_LAKES"}


def _functions(module: str) -> set[str]:
    path = ROOT / f"{module.replace('.', '/')}.py"
    if not path.is_file():
        return set()
    return {node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)}


def _our_images(node: object) -> set[str]:
    return {c["image"] for c in containers(node) if c["image"].startswith(_IMAGE)}


def _applications(target: str) -> Iterator[Document]:
    service = named(render(target), "RayService", "shoal")
    yield from yaml.safe_load(service["spec"]["serveConfigV2"])["applications"]


def _locked_ray() -> str:
    lock = (ROOT / "shoal" / "requirements.lock").read_text()
    (version,) = re.findall(r"^ray==(\S+)", lock, re.MULTILINE)
    return str(version)
