"""Validation against a CRD's schema as the API server does it with `fieldValidation=Strict`."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import jsonschema
import pytest
import yaml

from tests.k8s.rendered import ROOT, Document

_CRDS = ROOT.parent / "shared" / "kuberay" / "crds"
_METADATA = {"type": "object", "required": ["name"]}
"""CRDs leave metadata to the API server."""


@cache
def schema(kind: str) -> Document:
    """The `v1` schema of a KubeRay kind, with unknown fields forbidden; skips where the CRDs are not at hand."""
    path = _CRDS / f"ray.io_{kind.lower()}s.yaml"
    if not path.is_file():
        pytest.skip(f"no KubeRay CRDs beside the checkout ({path.name} not found): {kind} is NOT validated")
    versions = yaml.load(path.read_text(), Loader=yaml.CSafeLoader)["spec"]["versions"]
    (v1,) = [version for version in versions if version["name"] == "v1"]
    structural = v1["schema"]["openAPIV3Schema"]
    structural["properties"]["metadata"] = _METADATA
    strict: Document = _strict(structural)
    return strict


def problems(document: Document) -> list[str]:
    """What the API server would refuse, each with its place."""
    validator = jsonschema.Draft202012Validator(schema(document["kind"]))
    return list(_lines(validator.iter_errors(document)))


def _lines(errors: Iterator[jsonschema.ValidationError]) -> Iterator[str]:
    for error in errors:
        yield f"{'/'.join(map(str, error.absolute_path))}: {error.message}"


def _strict(node: Any) -> Any:
    """A copy in which an object takes only the properties it names."""
    if isinstance(node, list):
        return [_strict(child) for child in node]
    if not isinstance(node, dict):
        return node
    strict: Document = {}
    for key, child in node.items():
        if key == "properties":  # names of fields, one of which may be called like a keyword
            strict[key] = {name: _strict(field) for name, field in child.items()}
        elif key in ("default", "enum", "example"):
            strict[key] = child
        else:
            strict[key] = _strict(child)
    open_ended = strict.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in strict
    if strict.get("properties") and not open_ended:
        strict["additionalProperties"] = False
    if strict.get("x-kubernetes-int-or-string"):
        strict.pop("type", None)
        strict.setdefault("anyOf", [{"type": "integer"}, {"type": "string"}])
    return strict
