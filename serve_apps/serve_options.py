"""Settings of each deployment as data, each with its reason. The same on a laptop and in a RayService."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Tier:
    """One deployment: how many requests a replica works on, and when another replica is worth it."""

    name: str
    max_ongoing_requests: int
    max_queued_requests: int
    target_ongoing_requests: float
    max_replicas: int = 4
    # Fractions, so that the whole graph fits beside everything else on two cores.
    num_cpus: float = 0.1

    def options(self) -> dict[str, Any]:
        """Keyword arguments of `serve.deployment`."""
        return {
            "name": self.name,
            "max_ongoing_requests": self.max_ongoing_requests,
            # Beyond the queue a request gets a 503 at once instead of a place in a line that never ends.
            "max_queued_requests": self.max_queued_requests,
            "autoscaling_config": {
                "min_replicas": 1,
                "max_replicas": self.max_replicas,
                "target_ongoing_requests": self.target_ongoing_requests,
                # Slow to go: a replica that leaves takes seconds to come back.
                "downscale_delay_s": 60,
                "upscale_delay_s": 5,
            },
            # A rolling update starts the new replica before it stops the old one.
            "max_surge_percent": 100,
            "health_check_period_s": 5,
            # Requests under way take milliseconds; what is left after this is lost anyway.
            "graceful_shutdown_timeout_s": 10,
            "ray_actor_options": {"num_cpus": self.num_cpus, "runtime_env": {"env_vars": {"OMP_NUM_THREADS": "1"}}},
        }


GATEWAY = Tier("Gateway", max_ongoing_requests=256, max_queued_requests=512, target_ongoing_requests=128)
ROUTER = Tier("Router", max_ongoing_requests=16, max_queued_requests=64, target_ongoing_requests=8)
RETRIEVAL = Tier("Retrieval", max_ongoing_requests=16, max_queued_requests=64, target_ongoing_requests=8)
RANKING = Tier("Ranking", max_ongoing_requests=16, max_queued_requests=64, target_ongoing_requests=8)
