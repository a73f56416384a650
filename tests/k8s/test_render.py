"""Each base and overlay renders, and each Ray document is one that the API server would take."""

from __future__ import annotations

import copy

import pytest

from tests.k8s.rendered import TARGETS, Document, named, render
from tests.k8s.strict_schema import problems

_KINDS = {
    "RayService", "RayJob", "CronJob", "StatefulSet", "Service", "NetworkPolicy", "PodDisruptionBudget",
    "ServiceAccount", "ConfigMap", "Namespace", "Role", "RoleBinding",
}  # fmt: skip


@pytest.mark.parametrize("target", TARGETS)
def test_renders_every_kind_into_one_namespace(target: str) -> None:
    documents = render(target)
    assert {d["kind"] for d in documents} >= _KINDS
    assert {d["metadata"].get("namespace", "shoal") for d in documents} == {"shoal"}


@pytest.mark.parametrize("kind", ["RayService", "RayJob"])
@pytest.mark.parametrize("target", TARGETS)
def test_ray_documents_fit_the_crd(target: str, kind: str) -> None:
    found = [d for d in render(target) if d["kind"] == kind]
    assert found
    for document in found:
        assert problems(document) == []


def test_the_crd_check_sees_what_is_wrong() -> None:
    assert "was unexpected" in _problem_after("workerGroupSpecs", 0, {"minReplica": 1})
    assert "is not of type 'integer'" in _problem_after("workerGroupSpecs", 0, {"replicas": "one"})
    container = {"containers": [{"name": "ray-worker", "imagePull": "Always"}]}
    assert "imagePull" in _problem_after("workerGroupSpecs", 0, {"template": {"spec": container}})
    probe = {"containers": [{"name": "w", "livenessProbe": {"httpGet": {"path": "/", "port": 1.5}}}]}
    assert "1.5" in _problem_after("workerGroupSpecs", 0, {"template": {"spec": probe}})


def _problem_after(group: str, index: int, change: Document) -> str:
    broken = copy.deepcopy(named(render("base"), "RayService", "shoal"))
    broken["spec"]["rayClusterConfig"][group][index].update(change)
    (problem,) = problems(broken)
    return problem
