"""Strict validation of Kubernetes' own workloads: their fields as of v1.34, and the pod template of KubeRay's CRDs."""

from __future__ import annotations

from functools import cache
from typing import Any

import jsonschema

from tests.k8s.rendered import Document
from tests.k8s.strict_schema import schema

_INTEGER: Document = {"type": "integer"}
_TEXT: Document = {"type": "string"}
_COUNT_OR_SHARE: Document = {"type": ["integer", "string"]}
_SELECTOR: Document = {"type": "object", "required": ["matchLabels"]}


def _object(required: tuple[str, ...], **properties: Document) -> Document:
    return {"type": "object", "required": list(required), "properties": properties, "additionalProperties": False}


@cache
def _schemas() -> dict[str, Document]:
    cluster = schema("RayJob")["properties"]["spec"]["properties"]["rayClusterSpec"]
    template: Document = cluster["properties"]["headGroupSpec"]["properties"]["template"]
    rolling = _object((), maxSurge=_COUNT_OR_SHARE, maxUnavailable=_COUNT_OR_SHARE)
    deployment = _object(
        ("selector", "template"),
        replicas=_INTEGER, selector=_SELECTOR, template=template, minReadySeconds=_INTEGER,
        revisionHistoryLimit=_INTEGER, progressDeadlineSeconds=_INTEGER,
        strategy=_object((), type={"enum": ["RollingUpdate", "Recreate"]}, rollingUpdate=rolling),
    )  # fmt: skip
    job = _object(
        ("template",),
        template=template, backoffLimit=_INTEGER, activeDeadlineSeconds=_INTEGER, ttlSecondsAfterFinished=_INTEGER,
        parallelism=_INTEGER, completions=_INTEGER, suspend={"type": "boolean"},
    )  # fmt: skip
    cron_job = _object(
        ("schedule", "jobTemplate"),
        schedule={**_TEXT, "pattern": r"^(\S+ ){4}\S+$"}, timeZone=_TEXT, startingDeadlineSeconds=_INTEGER,
        concurrencyPolicy={"enum": ["Allow", "Forbid", "Replace"]}, suspend={"type": "boolean"},
        successfulJobsHistoryLimit=_INTEGER, failedJobsHistoryLimit=_INTEGER,
        jobTemplate=_object(("spec",), metadata={"type": "object"}, spec=job),
    )  # fmt: skip
    stateful_set = _object(
        ("selector", "template", "serviceName"),
        replicas=_INTEGER, selector=_SELECTOR, template=template, serviceName=_TEXT,
        volumeClaimTemplates={"type": "array"}, podManagementPolicy=_TEXT, updateStrategy={"type": "object"},
    )  # fmt: skip
    return {"Deployment": deployment, "CronJob": cron_job, "StatefulSet": stateful_set}


WORKLOADS = ("Deployment", "CronJob", "StatefulSet")


def problems(document: Document) -> list[str]:
    """What the API server would refuse of a Deployment, CronJob or StatefulSet, each with its place."""
    found = list(_schema_problems(document))
    spec = document["spec"]
    labels = spec.get("template", {}).get("metadata", {}).get("labels", {})
    wanted = spec.get("selector", {}).get("matchLabels", {})
    if not wanted.items() <= labels.items():
        found.append(f"spec/selector: its own pods have the labels {labels}")
    return found


def _schema_problems(document: Document) -> list[str]:
    validator = jsonschema.Draft202012Validator(_schemas()[document["kind"]])
    errors: Any = validator.iter_errors(document["spec"])
    return [f"spec/{'/'.join(map(str, error.absolute_path))}: {error.message}" for error in errors]
