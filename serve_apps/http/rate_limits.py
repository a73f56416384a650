"""Token buckets: how much a key may ask of this replica. Each replica counts for itself, so n of them allow n times."""

from __future__ import annotations

from cluster.access.api_keys import Rates

_BURST_S = 2.0
"""What a burst is when it is not said: the tokens of so many seconds."""


class Bucket:
    """`burst` tokens at most, `rate` more each second.

    What asks for more than the bucket can ever hold is let in when it is full, and the rest is owed: otherwise a batch
    larger than the burst would be refused for good.
    """

    def __init__(self, rate: float, burst: float) -> None:
        self._rate, self._burst = rate, burst
        self._tokens, self._at = burst, 0.0

    def take(self, count: int, now: float) -> float:
        """0 and the tokens are taken, or the seconds until they will be there. `now`: seconds that never go back."""
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._rate)
        self._at = now
        missing = min(count, self._burst) - self._tokens
        if missing > 1e-9:
            return missing / self._rate
        self._tokens -= count
        return 0.0


class KeyLimits:
    """The two buckets of one key."""

    def __init__(self, rates: Rates) -> None:
        self.rates = rates
        self._requests = _bucket(rates.requests_per_s, rates.requests_burst)
        self._events = _bucket(rates.events_per_s, rates.events_burst)

    def take_request(self, now: float) -> float:
        """0, or the seconds to wait before the next request."""
        return self._requests.take(1, now) if self._requests else 0.0

    def take_events(self, count: int, now: float) -> float:
        """0, or the seconds to wait before so many events."""
        return self._events.take(count, now) if self._events else 0.0


def _bucket(rate: float | None, burst: int | None) -> Bucket | None:
    """None where there is no limit."""
    return Bucket(rate, burst or max(1.0, rate * _BURST_S)) if rate else None
