"""What Ray Serve's own schema lets through: misspelt keys, bounds the wrong way round, graphs that do not fit."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

from pydantic import BaseModel
from ray.serve.schema import ServeDeploySchema


def problems(config: dict[str, Any], worker_cpus: float) -> list[str]:
    """Mistakes in a Serve config. `worker_cpus`: of all workers at their fewest."""
    ServeDeploySchema.model_validate(config)
    found = list(_unknown(ServeDeploySchema, config, ""))
    deployments = [d for application in config["applications"] for d in application["deployments"]]
    needed = 0.0
    for deployment in deployments:
        scaling = deployment["autoscaling_config"]
        low, high = scaling["min_replicas"], scaling["max_replicas"]
        if low > high:
            found.append(f"{deployment['name']}: min_replicas {low} is above max_replicas {high}")
        if scaling["target_ongoing_requests"] > deployment["max_ongoing_requests"]:
            found.append(f"{deployment['name']}: a replica never reaches its target_ongoing_requests")
        surge = 1 + deployment["max_surge_percent"] / 100
        needed += low * surge * deployment["ray_actor_options"]["num_cpus"]
    if needed > worker_cpus:
        found.append(f"a rolling update needs {needed:g} CPUs; the fewest workers have {worker_cpus:g}")
    return found


def _unknown(model: type[BaseModel], values: dict[str, Any], place: str) -> Iterator[str]:
    for key, value in values.items():
        if key not in model.model_fields:
            yield f"{place}{key}: unknown key"
            continue
        inner = _model_in(model.model_fields[key].annotation)
        if inner is None:
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, dict):
                yield from _unknown(inner, child, f"{place}{key}.")


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """The pydantic model that an annotation such as `Optional[Union[Dict, Model]]` or `List[Model]` allows."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for found in map(_model_in, get_args(annotation)) if found), None)
