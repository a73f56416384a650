"""Says loudly, at the start of a process that acknowledges or moves events, what the store would lose."""

from __future__ import annotations

import logging

from cluster.online.store import OnlineStore
from models.errors import StoreError

_log = logging.getLogger(__name__)


def warn_of_losses(store: OnlineStore) -> None:
    """One warning for each weakness; one when the store cannot be asked."""
    try:
        for weakness in store.weaknesses():
            _log.warning("ACKNOWLEDGED EVENTS MAY BE LOST: %s", weakness)
    except StoreError as error:
        _log.warning("whether acknowledged events may be lost is unknown: %s", error)
