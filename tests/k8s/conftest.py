"""Fixtures of the serving tests, for what the probes ask."""

from __future__ import annotations

from tests.serve_apps.conftest import sample_registry, serve  # noqa: F401  (fixtures)
