"""Figures of the chain as Ray metrics; Ray adds deployment and replica, and Prometheus scrapes them from its nodes."""

from __future__ import annotations

from ray.util.metrics import Counter, Gauge, Histogram

from serve_apps.live.bundle_facts import BundleFacts

_BOUNDS_MS = [0.5, 1, 2, 4, 8, 15, 30, 60, 100, 150, 200, 300, 500, 1_000, 2_000]


class RayMeasures:
    """Once for a batch, not once for an answer: a figure costs some microseconds."""

    def __init__(self) -> None:
        self._stages = Histogram(
            "shoal_stage_ms", "Time of a stage for a batch.", boundaries=_BOUNDS_MS, tag_keys=("stage", "end")
        )
        self._answers = Counter(
            "shoal_answers", "Answers; rung is empty for the full chain.", tag_keys=("surface", "rung", "cause")
        )

        self._loaded = Gauge("shoal_bundle_loaded", "1 while a version is in memory, else 0.", tag_keys=("version",))
        self._bytes = Gauge("shoal_bundle_bytes", "Bytes of the bundle's files.", tag_keys=("version",))
        self._created = Gauge(
            "shoal_bundle_created_s", "When the bundle was made, seconds since 1970.", tag_keys=("version",)
        )
        self._recall = Gauge("shoal_index_recall_at_100", "As the build measured it.", tag_keys=("version", "index"))

    def bundle_loaded(self, facts: BundleFacts) -> None:
        """A bundle was taken into memory."""
        tags = {"version": facts.version}
        self._loaded.set(1, tags=tags)
        self._bytes.set(facts.num_bytes, tags=tags)
        self._created.set(facts.created_s, tags=tags)
        for path, recall in facts.recalls.items():
            self._recall.set(recall, tags={**tags, "index": path})

    def bundle_gone(self, version: str) -> None:
        """It is no longer in memory; what was said of it stays true of it."""
        self._loaded.set(0, tags={"version": version})

    def stage(self, name: str, seconds: float, end: str) -> None:
        """One run of a stage."""
        self._stages.observe(1_000 * seconds, tags={"stage": name, "end": end})

    def answers(self, surface: str, rung: str, cause: str, num: int) -> None:
        """So many answers."""
        self._answers.inc(num, tags={"surface": surface, "rung": rung, "cause": cause})
