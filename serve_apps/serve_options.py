"""Settings of each deployment as data, each with its reason. The same on a laptop and in a RayService.

A replica of retrieval or ranking works on one batch at a time, so the requests it has under way tell how busy it is: 1
on average means about 60 % (a queue with Poisson arrivals and a fixed time of service, Pollaczek and Khinchine). A
router waits most of the time, and a gateway nearly all of it: theirs are how many fit into the time that answers take.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Room:
    """How many replicas each deployment may have, what each is given, and how soon their number changes."""

    min_replicas: int
    max_replicas: int
    num_cpus: float
    # Longer than a burst, shorter than the time in which people leave; starting a replica takes as long again.
    upscale_delay_s: float = 5
    # Slow to go: a replica that leaves takes seconds to come back.
    downscale_delay_s: float = 60


LAPTOP = Room(
    min_replicas=1,
    # A busy replica fills a core and four tiers share them: more than half as many only take turns.
    max_replicas=max(1, (os.cpu_count() or 1) // 2),
    # Fractions, so that the whole graph fits beside everything else on two cores.
    num_cpus=0.1,
)
SMALL_CLUSTER = Room(min_replicas=1, max_replicas=2, num_cpus=0.2)
# At least three, so that one node may go; a whole core each.
PRODUCTION = Room(min_replicas=3, max_replicas=48, num_cpus=1, downscale_delay_s=300)


@dataclass(frozen=True, slots=True)
class Tier:
    """One deployment: how many requests a replica works on, and when another replica is worth it."""

    name: str
    max_ongoing_requests: int
    max_queued_requests: int
    target_ongoing_requests: float

    def options(self, room: Room) -> dict[str, Any]:
        """Keyword arguments of `serve.deployment`, and the options of a deployment in a Serve config."""
        return {
            "name": self.name,
            "max_ongoing_requests": self.max_ongoing_requests,
            "max_queued_requests": self.max_queued_requests,
            # Should Serve turn somebody away after all, it says when to come back.
            "backpressure_config": {"retry_after_s": 1.0},
            "autoscaling_config": {
                "min_replicas": room.min_replicas,
                "max_replicas": room.max_replicas,
                "target_ongoing_requests": self.target_ongoing_requests,
                # Replicas report every 10 s, and the mean is of more than one report.
                "look_back_period_s": 15.0,
                "upscale_delay_s": room.upscale_delay_s,
                "downscale_delay_s": room.downscale_delay_s,
            },
            # A rolling update starts the new replica before it stops the old one.
            "max_surge_percent": 100,
            # A replica that died is missed at the next check.
            "health_check_period_s": 1.0,
            # Requests under way take milliseconds; what is left after this is lost anyway.
            "graceful_shutdown_timeout_s": 10.0,
            # A line of the access log for each call of each tier costs more than the call of a small tier does.
            "logging_config": {"log_level": "WARNING", "enable_access_log": False},
            "ray_actor_options": {"num_cpus": room.num_cpus, "runtime_env": {"env_vars": {"OMP_NUM_THREADS": "1"}}},
        }


# The bounds of `chain/admission.py` and `http/shedding.py` come first: 512 rows and 128 others. What is refused there
# is gone within a millisecond; until then a burst may stand here, as long as all the connections of an HAProxy.
GATEWAY = Tier("Gateway", max_ongoing_requests=1_024, max_queued_requests=4_096, target_ongoing_requests=16)
# A request is a batch. A gateway sends two at a time of those who ask for the same time: a router that always has both
# has no room left.
ROUTER = Tier("Router", max_ongoing_requests=16, max_queued_requests=64, target_ongoing_requests=1.5)
# Batches of a gateway take turns at the two, so that half of one under way is a tier that works nearly all the time.
RETRIEVAL = Tier("Retrieval", max_ongoing_requests=16, max_queued_requests=64, target_ongoing_requests=0.5)
RANKING = Tier("Ranking", max_ongoing_requests=16, max_queued_requests=64, target_ongoing_requests=0.5)
TIERS = (GATEWAY, ROUTER, RETRIEVAL, RANKING)
