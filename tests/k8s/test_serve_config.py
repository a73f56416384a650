"""The Serve config inside each RayService: strict, in bounds, and of the graph that the code builds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from ray.serve._private.build_app import build_app as ray_build
from ray.serve.deployment import deployment_to_schema
from ray.serve.schema import DeploymentSchema

from models.errors import ConfigError
from serve_apps.app import ServeArgs, build_app
from serve_apps.serve_config import PLACES, embedded, serve_config
from serve_apps.serve_options import LAPTOP, PRODUCTION, SMALL_CLUSTER, TIERS, Room
from tests.k8s.rendered import ROOT, TARGETS, Document, containers, named, render
from tests.k8s.serve_lint import problems


@pytest.mark.parametrize("target", TARGETS)
def test_has_no_mistake(target: str) -> None:
    assert problems(_config(target), _worker_cpus(target)) == []


@pytest.mark.parametrize(
    ("target", "room"),
    [("base", SMALL_CLUSTER), ("overlays/local", SMALL_CLUSTER), ("overlays/production", PRODUCTION)],
)
def test_is_what_the_code_makes(target: str, room: Room) -> None:
    assert _config(target) == serve_config(room), "make serve-config writes it anew"


@pytest.mark.parametrize("name", PLACES)
def test_the_manifests_are_as_make_serve_config_leaves_them(name: str) -> None:
    room, line_before = PLACES[name]
    text = (ROOT / "k8s" / name).read_text()
    assert embedded(text, room, line_before) == text
    changed = embedded(text, replace(room, max_replicas=room.max_replicas + 1), line_before)
    assert changed.count(f"max_replicas: {room.max_replicas + 1}\n") == len(TIERS)
    assert embedded(changed, room, line_before) == text


def test_a_manifest_without_a_place_for_it_is_refused() -> None:
    with pytest.raises(ConfigError, match="serveConfigV2"):
        embedded("kind: RayService\n", SMALL_CLUSTER, "  serveConfigV2: |\n")


def test_serve_build_makes_the_same_of_the_graph(sample_registry: str, tmp_path: Path) -> None:
    args = ServeArgs(host="127.0.0.1", registry=sample_registry, store=f"sqlite:///{tmp_path / 'online.db'}")
    built = {d.name: deployment_to_schema(d) for d in ray_build(build_app(args), name="shoal").deployments}
    for ours in serve_config(LAPTOP)["applications"][0]["deployments"]:
        schema, theirs = DeploymentSchema.model_validate(ours), built[ours["name"]]
        for field in schema.model_fields_set - {"autoscaling_config"}:
            assert getattr(theirs, field) == getattr(schema, field), (schema.name, field)
        scaling = ours["autoscaling_config"]
        assert {name: getattr(theirs.autoscaling_config, name) for name in scaling} == scaling
    assert built.keys() == {tier.name for tier in TIERS}


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
