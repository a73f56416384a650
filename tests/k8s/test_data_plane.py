"""Consumers, upkeep and keys: commands with options that are there, places to write to, secrets that somebody makes."""

from __future__ import annotations

import contextlib
import copy
import importlib
import io
import re
from collections.abc import Iterator

import pytest

from cluster.settings import NUM_PARTITIONS
from tests.k8s.cluster_lint import privilege_problems, strangers_at
from tests.k8s.rendered import ROOT, TARGETS, Document, containers, named, pods, render

UPKEEP = ("shoal-lake", "shoal-catalogue")


def commands(container: Document) -> Iterator[list[str]]:
    """Module and arguments of each `python -m` that a container runs."""
    words = container.get("command", []) + container.get("args", [])
    for line in ["\n".join(words).replace("\n", " ")] if words[:1] == ["python"] else "\n".join(words).splitlines():
        if match := re.search(r"python -m (\S+.*)$", line):
            yield match[1].split()


def unknown_options(command: list[str]) -> list[str]:
    """Options that the help of a command, or of the action it names, does not show."""
    module, *words = command
    main = importlib.import_module(module).main
    actions = [word for word in words if not word.startswith("-")][:1]
    shown = io.StringIO()
    for line in ([], actions):
        with contextlib.redirect_stdout(shown), contextlib.suppress(SystemExit):
            main([*line, "--help"])
    return [word for word in words if word.startswith("--") and not re.search(rf"{word}\b", shown.getvalue())]


@pytest.mark.parametrize("target", TARGETS)
def test_commands_have_the_options_they_are_given(target: str) -> None:
    found = [command for container in containers(render(target)) for command in commands(container)]
    assert {module for module, *_ in found} == {
        "pipelines.consume", "pipelines.lake", "pipelines.catalogue_sink",
    }  # fmt: skip
    assert [option for command in found for option in unknown_options(command)] == []


def test_the_check_of_options_sees_what_is_wrong() -> None:
    assert unknown_options(["pipelines.consume", "--hear", "--metrics-port", "8080"]) == ["--hear"]
    assert unknown_options(["pipelines.lake", "retain", "--keep", "interactions=9", "--kept"]) == ["--kept"]


@pytest.mark.parametrize("target", TARGETS)
def test_no_consumer_is_without_a_partition(target: str) -> None:
    settings = named(render(target), "ConfigMap", "shoal-settings")["data"]
    partitions = int(settings.get("SHOAL_PARTITIONS", NUM_PARTITIONS))
    assert 1 <= named(render(target), "Deployment", "shoal-consume")["spec"]["replicas"] <= partitions


@pytest.mark.parametrize("target", TARGETS)
def test_prometheus_alone_reaches_the_metrics_of_consumers(target: str) -> None:
    consumers = named(render(target), "Deployment", "shoal-consume")["spec"]["template"]
    labels = consumers["metadata"]["labels"]
    policies = [d for d in render(target) if d["kind"] == "NetworkPolicy"]
    (container,) = containers(consumers)
    (port,) = [p["containerPort"] for p in container["ports"]]
    assert str(port) in container["command"]
    (stranger,) = strangers_at(port, labels, policies)
    assert "monitoring" in stranger
    assert strangers_at(port + 1, labels, policies) == []


@pytest.mark.parametrize("target", TARGETS)
def test_upkeep_of_a_kind_runs_once_at_a_time(target: str) -> None:
    for name in UPKEEP:
        assert named(render(target), "CronJob", name)["spec"]["concurrencyPolicy"] == "Forbid"


def test_the_store_is_known_to_those_who_need_it_alone() -> None:
    with_store = {
        document["metadata"]["name"]
        for document in render("base")
        for container in containers(document)
        if any(variable["name"] == "SHOAL_STORE" for variable in container.get("env", []))
    }
    assert with_store == {"shoal", "shoal-retrain", "shoal-consume", "shoal-catalogue"}


def test_on_one_node_all_that_reads_settings_shares_the_volume() -> None:
    documents = render("overlays/local")
    home = named(documents, "ConfigMap", "shoal-settings")["data"]["SHOAL_HOME"]
    ours = [c for c in containers(documents) if {"configMapRef": {"name": "shoal-settings"}} in c.get("envFrom", [])]
    assert len(ours) == 7
    for container in ours:
        assert {"name": "data", "mountPath": home} in container["volumeMounts"]


@pytest.mark.parametrize("target", TARGETS)
def test_what_is_mounted_is_a_volume_of_the_pod(target: str) -> None:
    claims = {"shoal-redis": ["data"]}
    for document in render(target):
        extra = claims.get(document["metadata"]["name"], [])
        for pod in pods(document):
            volumes = [volume["name"] for volume in pod.get("volumes", [])] + extra
            assert len(volumes) == len(set(volumes))
            mounts = [mount for container in pod["containers"] for mount in container.get("volumeMounts", [])]
            assert {mount["name"] for mount in mounts} <= set(volumes)


@pytest.mark.parametrize("target", TARGETS)
def test_callers_keys_come_from_a_secret_that_pods_follow(target: str) -> None:
    for pod in pods(named(render(target), "RayService", "shoal")):
        (volume,) = [v for v in pod["volumes"] if "secret" in v]
        (container,) = pod["containers"]
        (mount,) = [m for m in container["volumeMounts"] if m["name"] == volume["name"]]
        (variable,) = [v for v in container["env"] if v["name"] == "SHOAL_KEYS_FILE"]
        assert "subPath" not in mount
        assert variable["value"].startswith(f"{mount['mountPath']}/")
        assert "SHOAL_API_KEYS" not in {v["name"] for v in container["env"]}


@pytest.mark.parametrize("target", TARGETS)
def test_every_secret_is_one_that_the_page_makes(target: str) -> None:
    page = (ROOT / "docs" / "kubernetes.md").read_text().replace("\\\n", " ")
    made = re.findall(r"create secret generic (\S+)(.*)", page)
    keys = {name: set(re.findall(r"--from-\w+=([\w.]+)", rest)) for name, rest in made}
    assert keys.keys() == {"shoal-secrets", "shoal-keys"}
    for document in render(target):
        for name, key in _secret_keys(document):
            assert key in keys[name]
        for pod in pods(document):
            for volume in pod.get("volumes", []):
                assert "secret" not in volume or volume["secret"]["secretName"] in keys


def test_a_file_of_keys_has_to_lie_in_a_secret() -> None:
    service = copy.deepcopy(named(render("base"), "RayService", "shoal"))
    assert list(privilege_problems(service)) == []
    for pod in pods(service):
        pod["volumes"] = [{"name": "keys", "emptyDir": {}}]
    assert {problem.partition(": ")[2] for problem in privilege_problems(service)} == {
        "SHOAL_KEYS_FILE lies in no Secret"
    }


def _secret_keys(node: object) -> Iterator[tuple[str, str]]:
    """Name and key of every `secretKeyRef`."""
    if isinstance(node, dict):
        if "secretKeyRef" in node:
            yield node["secretKeyRef"]["name"], node["secretKeyRef"]["key"]
        for value in node.values():
            yield from _secret_keys(value)
    elif isinstance(node, list):
        for value in node:
            yield from _secret_keys(value)
