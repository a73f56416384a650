"""Each base and overlay renders, and each Ray document is one that the API server would take."""

from __future__ import annotations

import copy

import pytest

from tests.k8s.rendered import TARGETS, Document, named, render
from tests.k8s.strict_schema import problems
from tests.k8s.workload_schema import WORKLOADS
from tests.k8s.workload_schema import problems as workload_problems

_KINDS = {
    "RayService", "RayJob", "CronJob", "StatefulSet", "Service", "NetworkPolicy", "PodDisruptionBudget",
    "ServiceAccount", "ConfigMap", "Namespace", "Role", "RoleBinding", "Deployment",
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


@pytest.mark.parametrize("kind", WORKLOADS)
@pytest.mark.parametrize("target", TARGETS)
def test_other_workloads_fit_what_the_api_server_takes(target: str, kind: str) -> None:
    found = [d for d in render(target) if d["kind"] == kind]
    assert found
    for document in found:
        assert workload_problems(document) == []


def test_the_workload_check_sees_what_is_wrong() -> None:
    lake = copy.deepcopy(named(render("base"), "CronJob", "shoal-lake"))
    lake["spec"] |= {"schedule": "30 0 * *", "concurrency": "Forbid"}
    lake["spec"]["jobTemplate"]["spec"]["backoff"] = 1
    lake["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"][0]["volumeMounts"][0]["path"] = "/"
    places = sorted(problem.partition(":")[0] for problem in workload_problems(lake))
    container = "spec/jobTemplate/spec/template/spec/containers/0/volumeMounts/0"
    assert places == ["spec/", "spec/jobTemplate/spec", container, "spec/schedule"]
    consumers = copy.deepcopy(named(render("base"), "Deployment", "shoal-consume"))
    consumers["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/component"] = "consumer"
    [problem] = workload_problems(consumers)
    assert problem.startswith("spec/selector: its own pods")


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
