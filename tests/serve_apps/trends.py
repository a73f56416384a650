"""Events, counted as a consumer counts them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from cluster.consuming.counting import count
from cluster.online.store import OnlineStore
from models.events import EventType, Interaction


def count_events(store: OnlineStore, clicks: Mapping[str, Sequence[str]]) -> None:
    """Clicks of somebody else on items, by country."""
    now = datetime.now(UTC)
    events = [
        Interaction(
            interaction_id=f"{country}-{n}",
            user_id=f"somebody-{n}",
            item_id=item_id,
            event_type=EventType.CLICK,
            timestamp=now,
            country=country,
        )
        for country, item_ids in clicks.items()
        for n, item_id in enumerate(item_ids)
    ]
    store.append(events)
    count(store, 3_600.0, 60.0, lambda _: None)
