"""The wiring: arguments are checked before anything starts, and the wired graph answers in Serve's local mode."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson
import pytest
from pydantic import ValidationError
from ray import serve as ray_serve
from ray.serve._private.build_app import build_app as ray_build

from models.errors import ConfigError
from serve_apps.app import ServeArgs, build_app, running
from serve_apps.chain.deadline import Deadline
from serve_apps.chain.messages import HomeQuery
from serve_apps.serve import main
from serve_apps.serve_options import LAPTOP, TIERS


@pytest.fixture(autouse=True)
def _no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SHOAL_API_KEYS", raising=False)


def test_an_address_that_is_not_known_to_be_loopback_needs_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="without a key"):
        build_app({})
    with pytest.raises(ConfigError, match=r"0\.0\.0\.0"):
        build_app(ServeArgs(host="0.0.0.0"))
    monkeypatch.setenv("SHOAL_API_KEYS", "a-key")
    build_app({})


def test_a_misspelt_argument_is_an_error() -> None:
    with pytest.raises(ValidationError, match="exclude_sen"):
        build_app({"host": "127.0.0.1", "exclude_sen": False})


def test_the_whole_graph_fits_on_less_than_one_core() -> None:
    assert len(TIERS) * LAPTOP.num_cpus <= 1.0


def test_the_settings_say_how_many_replicas_and_how_soon(sample_registry: str, monkeypatch: pytest.MonkeyPatch) -> None:
    args = ServeArgs(host="127.0.0.1", registry=sample_registry)

    def scaling(args: ServeArgs) -> list[tuple[Any, ...]]:
        configs = [
            d._deployment_config.autoscaling_config for d in ray_build(build_app(args), name="shoal").deployments
        ]
        return [
            (c.min_replicas, c.max_replicas, c.upscale_delay_s, c.downscale_delay_s) for c in configs if c is not None
        ]

    assert scaling(args) == [(1, LAPTOP.max_replicas, 5, 60)] * len(TIERS)
    monkeypatch.setenv("SHOAL_MIN_REPLICAS", "3")
    assert scaling(args)[0][:2] == (3, max(3, LAPTOP.max_replicas))
    monkeypatch.setenv("SHOAL_MAX_REPLICAS", "7")
    monkeypatch.setenv("SHOAL_UPSCALE_DELAY_S", "0.5")
    monkeypatch.setenv("SHOAL_DOWNSCALE_DELAY_S", "2")
    assert scaling(args) == [(3, 7, 0.5, 2)] * len(TIERS)
    assert scaling(args.model_copy(update={"stock": True})) == []


def test_the_wired_graph_answers(sample_registry: str, tmp_path: Path) -> None:
    # Unbatched: one question at a time. test_server.py has the shipped graph.
    experiments = tmp_path / "experiments.toml"
    experiments.write_text('salt = "s"\n[[variants]]\nname = "old"\nweight = 1\nversion = "v2"\n')
    args: dict[str, Any] = {
        "host": "127.0.0.1",
        "registry": sample_registry,
        "store": f"sqlite:///{tmp_path / 'online.db'}",
        "experiments": experiments,
        "stock": True,
    }
    handle = ray_serve.run(build_app(args), _local_testing_mode=True)
    question = HomeQuery("u1", 3, timeout_ms=10_000, deadline=Deadline.after(10_000))
    answer = orjson.loads(handle.recommend.remote(question).result())
    assert (answer["variant"], answer["model_version"], len(answer["items"])) == ("old", "v2", 3)


@pytest.mark.slow
def test_on_a_cluster_that_serves_already_the_other_applications_stay(
    ray_session: None, sample_registry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @ray_serve.deployment(ray_actor_options={"num_cpus": 0.1})
    class Other:
        def __call__(self) -> str:
            return "other"

    args = ServeArgs(host="127.0.0.1", registry=sample_registry, store=f"sqlite:///{tmp_path / 'online.db'}")
    try:
        ray_serve.start(http_options={"host": "127.0.0.1", "port": 0})
        other = ray_serve.run(Other.bind(), name="other", route_prefix="/other")
        with pytest.raises(ConfigError, match="Set SHOAL_API_KEYS"), running(args, 0):
            pass
        monkeypatch.setenv("SHOAL_API_KEYS", "a-key")
        with running(args, 0):
            assert set(ray_serve.status().applications) == {"other", "shoal"}
            with pytest.raises(ConfigError, match="already serves"), running(args, 0):
                pass
        assert set(ray_serve.status().applications) == {"other"}
        assert other.remote().result() == "other"
    finally:
        ray_serve.shutdown()


def test_the_command_says_what_to_do_without_a_champion(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--registry", str(tmp_path)]) == 2
    assert "Train and publish one: shoal train, shoal publish" in capsys.readouterr().err


def test_the_command_does_not_listen_on_the_network_without_keys(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--host", "0.0.0.0"]) == 2
    assert "Set SHOAL_API_KEYS" in capsys.readouterr().err


@pytest.mark.parametrize(("name", "value"), [("SHOAL_PORT", "http"), ("SHOAL_PORT", "70000"), ("SHOAL_SEED", "abc")])
def test_a_wrong_setting_is_one_line(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as stop:
        main([])
    assert stop.value.code == 2
    shown = capsys.readouterr().err
    assert shown.startswith(f"error: {name} ")
    assert value in shown
    assert len(shown.splitlines()) == 1


def test_a_wrong_option_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--port", "70000"]) == 2
    assert capsys.readouterr().err.startswith("error: SHOAL_PORT (or --port) is wrong")


def test_the_command_names_a_pinned_version_that_is_not_there(
    sample_registry: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    experiments = tmp_path / "experiments.toml"
    experiments.write_text('salt = "s"\n[[variants]]\nname = "old"\nweight = 1\nversion = "v9"\n')
    assert main(["--registry", sample_registry, "--experiments", str(experiments)]) == 2
    assert "'v9'" in capsys.readouterr().err
