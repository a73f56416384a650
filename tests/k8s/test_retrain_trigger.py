"""The nightly trigger wakes a copy of the suspended RayJob: its own `kubectl patch`, run on the rendered job."""

from __future__ import annotations

import json
import re
import subprocess

import pytest

from tests.k8s.rendered import TARGETS, named, render
from tests.k8s.strict_schema import problems


@pytest.mark.parametrize("target", TARGETS)
def test_the_copy_is_awake_and_otherwise_the_same(target: str) -> None:
    job = named(render(target), "RayJob", "shoal-retrain")
    cron = named(render(target), "CronJob", "shoal-retrain")
    (trigger,) = cron["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    (script,) = trigger["args"]
    (patch,) = re.findall(r"\|\s*(kubectl patch .*?)\s*\|\s*kubectl replace --force", script, re.DOTALL)
    stored = json.dumps(job | {"status": {"jobDeploymentStatus": "Suspended"}})
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", patch], input=stored, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    copy = json.loads(done.stdout)
    assert job["spec"]["suspend"] is True
    assert copy["metadata"]["name"] != job["metadata"]["name"]
    assert copy["spec"] == job["spec"] | {"suspend": False}
    del copy["status"]  # the API server drops it, for status is a sub-resource of its own
    assert problems(copy) == []


def test_a_run_ends_before_the_next_begins() -> None:
    job = named(render("base"), "RayJob", "shoal-retrain")["spec"]
    assert job["activeDeadlineSeconds"] < 24 * 3600
    assert job["shutdownAfterJobFinishes"]
