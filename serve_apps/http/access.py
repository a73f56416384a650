"""Which key may do what: a table by method and path. What it does not name is for `admin` alone."""

from __future__ import annotations

from dataclasses import dataclass

from cluster.access.api_keys import Role

OPEN_PATHS = frozenset({"/api/health/live", "/api/health/ready"})
"""The probes: asked without a key."""
_ADMIN = frozenset({Role.ADMIN})
_EVERY_KEY = frozenset(Role)


@dataclass(frozen=True, slots=True)
class Rule:
    """A path, or all under it when it ends with a slash, and the roles that may ask it with that method."""

    method: str
    path: str
    roles: frozenset[Role]

    def covers(self, method: str, path: str) -> bool:
        """True for a request that this rule speaks of."""
        return method == self.method and (path.startswith(self.path) if self.path.endswith("/") else path == self.path)


RULES = (
    Rule("GET", "/api/recommendations/", frozenset({Role.READ})),
    Rule("POST", "/api/recommendations/home", frozenset({Role.READ})),
    Rule("POST", "/api/recommendations/rank", frozenset({Role.READ})),
    Rule("POST", "/api/interactions", frozenset({Role.WRITE})),
    Rule("POST", "/api/feedback", frozenset({Role.WRITE})),
    Rule("GET", "/api/health", _EVERY_KEY),
    Rule("GET", "/openapi.json", _EVERY_KEY),
)
"""A new route stands here, or is closed to all but `admin`."""


def roles_for(method: str, path: str) -> frozenset[Role]:
    """The roles that may ask; `admin` is always one of them."""
    for rule in RULES:
        if rule.covers(method, path):
            return rule.roles | _ADMIN
    return _ADMIN
