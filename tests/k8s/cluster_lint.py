"""What the API server takes and an operator regrets: sizes the wrong way round, pods that may too much, open doors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.k8s.rendered import Document, pods

_SECRET_WORDS = ("KEY", "PASSWORD", "STORE", "TOKEN", "SECRET")
_OWN_PODS = {"app.kubernetes.io/name": "shoal"}


def size_problems(cluster: Document) -> Iterator[str]:
    """Worker groups whose bounds contradict each other, and clusters that ask for no token."""
    if cluster.get("authOptions", {}).get("mode") != "token":
        yield "the cluster asks for no token"
    for group in cluster["workerGroupSpecs"]:
        low, now, high = group["minReplicas"], group["replicas"], group["maxReplicas"]
        if not low <= now <= high:
            yield f"{group['groupName']}: {low} ≤ {now} ≤ {high} does not hold"
        if low < high and not cluster.get("enableInTreeAutoscaling"):
            yield f"{group['groupName']}: a range of replicas and no autoscaler"


def privilege_problems(documents: Any) -> Iterator[str]:
    """Containers that may run as root, gain privileges, keep capabilities, or name no resources."""
    for pod in pods(documents):
        context = pod.get("securityContext", {})
        if not context.get("runAsNonRoot") or not context.get("runAsUser"):
            yield f"{pod['containers'][0]['name']}: may run as root"
        if context.get("seccompProfile") != {"type": "RuntimeDefault"}:
            yield f"{pod['containers'][0]['name']}: no seccomp profile"
        secrets = {volume["name"] for volume in pod.get("volumes", []) if "secret" in volume}
        for container in pod["containers"]:
            yield from _container_problems(container, secrets)


def _container_problems(container: Document, secrets: set[str]) -> Iterator[str]:
    own = container.get("securityContext", {})
    if own.get("allowPrivilegeEscalation") is not False or own.get("capabilities") != {"drop": ["ALL"]}:
        yield f"{container['name']}: may gain privileges"
    resources = container.get("resources", {})
    if not {"cpu", "memory"} <= resources.get("requests", {}).keys() or "memory" not in resources.get("limits", {}):
        yield f"{container['name']}: no resources"
    folders = [m["mountPath"] for m in container.get("volumeMounts", []) if m["name"] in secrets]
    for variable in container.get("env", []):
        name = variable["name"]
        if not any(word in name for word in _SECRET_WORDS):
            continue
        if name.endswith("_FILE"):
            if not any(variable["value"].startswith(f"{folder}/") for folder in folders):
                yield f"{container['name']}: {name} lies in no Secret"
        elif "secretKeyRef" not in variable.get("valueFrom", {}):
            yield f"{container['name']}: {name} does not come from a Secret"


def strangers_at(port: int, labels: dict[str, str], policies: list[Document]) -> list[str]:
    """Who but Shoal's own pods reaches that port of the pods with these labels."""
    isolating = [p["spec"] for p in policies if _selects(p["spec"]["podSelector"], labels)]
    if not any("Ingress" in spec["policyTypes"] for spec in isolating):
        return ["anybody: no policy selects these pods"]
    return [
        str(rule.get("from", "anybody"))
        for spec in isolating
        for rule in spec.get("ingress", [])
        if _opens(rule, port) and not _only_own(rule)
    ]


def _selects(selector: Document, labels: dict[str, str]) -> bool:
    return bool(labels.items() >= selector.get("matchLabels", {}).items())


def _opens(rule: Document, port: int) -> bool:
    ports = rule.get("ports")
    return ports is None or any(p.get("port", port) <= port <= p.get("endPort", p.get("port", port)) for p in ports)


def _only_own(rule: Document) -> bool:
    peers = rule.get("from", [])
    return bool(peers) and all(
        peer.keys() == {"podSelector"} and _OWN_PODS.items() <= peer["podSelector"].get("matchLabels", {}).items()
        for peer in peers
    )
