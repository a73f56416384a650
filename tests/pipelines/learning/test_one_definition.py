"""Training and serving see the same of a user at the same moment."""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pyarrow as pa

from models.events import EventType
from models.features import UserBatch
from models.profiles import parse_attributes
from models.recommender import Recommender
from models.user_state import HistoryEvent, UserState
from models.vocabulary import Vocabulary
from pipelines.learning.data.encoding import encode
from pipelines.learning.data.example_pool import expand
from pipelines.learning.data.examples import examples_of
from pipelines.learning.data.sequences import build
from pipelines.learning.data.split import Split
from tests.models.tiny_bundle import ITEMS, SPEC, USERS, write_bundle

START = datetime(2026, 1, 31, 22, 59, 59, 999_999, tzinfo=UTC)
CLICKS = ["item-1", "item-4", "item-2"]
ATTRIBUTES = '{"gender": "F", "age": 25, "name": null, "likes": ["war"]}'


def log() -> pa.Table:
    """Three clicks of ann, an hour apart, in Norway, and her profile."""
    num = len(CLICKS)
    events = pa.table(
        {
            "user_id": ["ann"] * num,
            "item_id": CLICKS,
            "event_type": ["click"] * num,
            "timestamp": pa.array([START + timedelta(hours=n) for n in range(num)], pa.timestamp("us", "UTC")),
            "country": ["NO"] * num,
            "interaction_id": CLICKS,
        }
    )
    unasked = pa.nulls(1, pa.bool_())
    profile = pa.table({"user_id": ["ann"], "attributes": [ATTRIBUTES], "personalization": unasked})
    return pa.concat_tables([events, profile], promote_options="default")


def test_the_batch_of_a_user_is_the_example_of_their_next_event(tmp_path: Path) -> None:
    recommender = Recommender(write_bundle(tmp_path), "v1", SPEC)
    encoded = encode(build(log(), seed=1), Vocabulary(ITEMS), Vocabulary(USERS, SPEC.user_buckets), SPEC, Split("none"))
    trained = examples_of(expand(encoded, SPEC.history_length)).users.take(slice(2, 3))
    history = tuple(
        HistoryEvent(item_id, EventType.CLICK, UserState("", START + timedelta(hours=n)).now_us)
        for n, item_id in enumerate(CLICKS[:2])
    )
    state = UserState("ann", START + timedelta(hours=2), history, "NO", parse_attributes(ATTRIBUTES))
    served = recommender.batch([state])
    for field in fields(UserBatch):
        one, other = getattr(trained, field.name), getattr(served, field.name)
        np.testing.assert_array_equal(one, other, err_msg=field.name)
        assert one.dtype == other.dtype
    assert (served.profile[0] >= 0).sum() == 2
