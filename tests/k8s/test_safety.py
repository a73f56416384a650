"""The manifests give a pod no more than it needs and open no port that answers without a key."""

from __future__ import annotations

import copy

import pytest

from tests.k8s.cluster_lint import privilege_problems, size_problems, strangers_at
from tests.k8s.rendered import TARGETS, Document, named, pods, ray_clusters, render

_HAPROXY_PORTS = (8404, 9101)


@pytest.mark.parametrize("target", TARGETS)
def test_sizes_and_tokens(target: str) -> None:
    for cluster in ray_clusters(render(target)):
        assert list(size_problems(cluster)) == []


@pytest.mark.parametrize("target", TARGETS)
def test_no_pod_may_more_than_it_needs(target: str) -> None:
    assert list(privilege_problems(render(target))) == []


@pytest.mark.parametrize("target", TARGETS)
def test_no_secret_is_in_the_manifests(target: str) -> None:
    assert "Secret" not in {d["kind"] for d in render(target)}


@pytest.mark.parametrize("port", _HAPROXY_PORTS)
@pytest.mark.parametrize("target", TARGETS)
def test_ports_without_a_key_are_closed_on_every_ray_pod(target: str, port: int) -> None:
    for cluster in ray_clusters(render(target)):
        for group in [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]:
            labels = group["template"]["metadata"]["labels"]
            assert strangers_at(port, labels, _policies(target)) == []


@pytest.mark.parametrize("target", TARGETS)
def test_redis_is_closed_durable_and_behind_a_password(target: str) -> None:
    documents = render(target)
    redis = named(documents, "StatefulSet", "shoal-redis")["spec"]
    assert strangers_at(6379, redis["template"]["metadata"]["labels"], _policies(target)) == []
    settings = named(documents, "ConfigMap", "shoal-redis")["data"]["redis.conf"].splitlines()
    assert {"appendonly yes", "maxmemory-policy noeviction"} <= set(settings)
    assert "requirepass $REDIS_PASSWORD" in redis["template"]["spec"]["containers"][0]["args"][0]
    assert redis["volumeClaimTemplates"]


@pytest.mark.parametrize("target", TARGETS)
def test_a_drain_takes_workers_that_the_budget_covers(target: str) -> None:
    budget = named(render(target), "PodDisruptionBudget", "shoal-serve")["spec"]
    (cluster,) = ray_clusters((named(render(target), "RayService", "shoal"),))
    labels = cluster["workerGroupSpecs"][0]["template"]["metadata"]["labels"] | {"ray.io/node-type": "worker"}
    assert labels.items() >= budget["selector"]["matchLabels"].items()


def test_production_keeps_everything_off_the_pods() -> None:
    settings = named(render("overlays/production"), "ConfigMap", "shoal-settings")["data"]
    assert all(settings[f"SHOAL_{place}"].startswith("s3://") for place in ("LAKE", "REGISTRY", "RUNS"))


def test_the_checks_see_what_is_wrong() -> None:
    base = copy.deepcopy(render("base"))
    (cluster,) = ray_clusters((named(base, "RayJob", "shoal-retrain"),))
    cluster["authOptions"]["mode"] = "disabled"
    cluster["workerGroupSpecs"][0] |= {"minReplicas": 3, "maxReplicas": 4}
    assert list(size_problems(cluster)) == [
        "the cluster asks for no token",
        "train: 3 ≤ 1 ≤ 4 does not hold",
        "train: a range of replicas and no autoscaler",
    ]
    pod = next(pods(named(base, "StatefulSet", "shoal-redis")))
    pod["securityContext"]["runAsNonRoot"] = False
    del pod["containers"][0]["resources"]["limits"]
    pod["containers"][0]["env"] = [{"name": "REDIS_PASSWORD", "value": "open sesame"}]
    assert list(privilege_problems(pod)) == [
        "redis: may run as root",
        "redis: no resources",
        "redis: REDIS_PASSWORD does not come from a Secret",
    ]


def test_the_port_check_sees_an_open_door() -> None:
    policy = copy.deepcopy(named(render("base"), "NetworkPolicy", "shoal-serve"))
    labels = policy["spec"]["podSelector"]["matchLabels"]
    assert strangers_at(8000, labels, [policy]) == ["anybody"]
    policy["spec"]["ingress"][0]["ports"][0]["endPort"] = 9000
    assert strangers_at(8404, labels, [policy]) == ["anybody"]
    assert strangers_at(8404, labels, []) == ["anybody: no policy selects these pods"]


def _policies(target: str) -> list[Document]:
    return [d for d in render(target) if d["kind"] == "NetworkPolicy"]
