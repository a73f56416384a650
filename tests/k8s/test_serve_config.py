"""The Serve config inside each RayService: strict, in bounds, and of the graph that the code builds."""

from __future__ import annotations

import pytest
import yaml

from serve_apps.serve_options import GATEWAY, RANKING, RETRIEVAL, ROUTER
from tests.k8s.rendered import TARGETS, Document, containers, named, render
from tests.k8s.serve_lint import problems

_TIERS = {tier.name: tier for tier in (GATEWAY, ROUTER, RETRIEVAL, RANKING)}


@pytest.mark.parametrize("target", TARGETS)
def test_has_no_mistake(target: str) -> None:
    assert problems(_config(target), _worker_cpus(target)) == []


@pytest.mark.parametrize("target", TARGETS)
def test_names_every_deployment_of_the_graph(target: str) -> None:
    (application,) = _config(target)["applications"]
    deployments = {d["name"]: d for d in application["deployments"]}
    assert deployments.keys() == _TIERS.keys()
    for name, tier in _TIERS.items():
        assert deployments[name]["max_ongoing_requests"] == tier.max_ongoing_requests
        assert deployments[name]["max_queued_requests"] == tier.max_queued_requests


def test_the_http_port_is_the_one_the_pods_and_the_policy_open() -> None:
    port = _config("base")["http_options"]["port"]
    for container in containers(named(render("base"), "RayService", "shoal")):
        assert {"name": "serve", "containerPort": port} in [
            {key: p[key] for key in ("name", "containerPort")} for p in container["ports"]
        ]
    open_ports = named(render("base"), "NetworkPolicy", "shoal-serve")["spec"]["ingress"][0]["ports"]
    assert [p["port"] for p in open_ports] == [port]


def test_the_check_sees_what_is_wrong() -> None:
    config = _config("base")
    (application,) = config["applications"]
    gateway, router, retrieval, ranking = application["deployments"]
    gateway["max_ongoing_request"] = 10
    router["autoscaling_config"]["target_ongoing_request"] = 4
    retrieval["autoscaling_config"]["min_replicas"] = 9
    ranking["autoscaling_config"]["target_ongoing_requests"] = 99
    assert problems(config, 2.0) == [
        "applications.deployments.max_ongoing_request: unknown key",
        "applications.deployments.autoscaling_config.target_ongoing_request: unknown key",
        "Retrieval: min_replicas 9 is above max_replicas 2",
        "Ranking: a replica never reaches its target_ongoing_requests",
        "a rolling update needs 4.8 CPUs; the fewest workers have 2",
    ]


def _config(target: str) -> Document:
    config: Document = yaml.safe_load(named(render(target), "RayService", "shoal")["spec"]["serveConfigV2"])
    return config


def _worker_cpus(target: str) -> float:
    """CPUs that Ray is told of in the workers at their fewest."""
    groups = named(render(target), "RayService", "shoal")["spec"]["rayClusterConfig"]["workerGroupSpecs"]
    return sum(int(group["minReplicas"]) * float(group["rayStartParams"]["num-cpus"]) for group in groups)
