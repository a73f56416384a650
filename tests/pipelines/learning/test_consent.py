"""A ranker learns from nobody who refuses personalization."""

from __future__ import annotations

from models.privacy import ANONYMOUS_ID
from pipelines.learning.data.split import SplitConfig, resolve
from pipelines.learning.impressions.impressions import build
from tests.pipelines.learning.impression_log import event, exposure, log


def test_impressions_are_of_willing_users_alone() -> None:
    shown = [exposure(user, f"r-{user}", 1, "abc") for user in ("ann", "bob", ANONYMOUS_ID)]
    clicks = [event(user, "b", 2, answers=f"r-{user}") for user in ("ann", "bob", ANONYMOUS_ID)]
    profiles = [{"user_id": "ann", "personalization": True}, {"user_id": "bob", "personalization": False}]
    split = resolve(SplitConfig(protocol="none"), {})
    assert build(log(*shown, *clicks, *profiles), split)["user_id"].to_pylist() == ["ann"]
