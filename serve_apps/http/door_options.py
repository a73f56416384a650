"""What the gateway asks of whoever comes, as data: it is made where the graph is wired and crosses to the replicas."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cluster.access.api_keys import ApiKey, Rates, Role, Secret, key_hash
from cluster.access.keys_file import read_keys
from cluster.settings import Settings
from serve_apps.http.event_times import EventTimes
from serve_apps.http.keys import LiveKeys


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorOptions:
    """Keys that do not change, the file of those that do, and limits. Holds hashes; no key crosses in plain."""

    fixed_keys: tuple[ApiKey, ...] = ()
    keys_file: Path | None = None
    keys_file_needed: bool = False
    """True: a replica that does not find the file must not start, for without keys it would answer everybody."""
    rates: Rates = field(default_factory=Rates)
    event_times: EventTimes = field(default_factory=EventTimes)

    @classmethod
    def of(cls, settings: Settings) -> DoorOptions:
        """As the settings say; `ConfigError` when there is a keys file and it cannot be read."""
        is_needed = settings.keys_file is not None or settings.keys_path.exists()
        if is_needed:
            read_keys(settings.keys_path)
        return cls(
            fixed_keys=admin_keys(*settings.api_key_list),
            keys_file=settings.keys_path,
            keys_file_needed=is_needed,
            rates=settings.rates,
            event_times=EventTimes(
                timedelta(seconds=settings.max_clock_skew_s), timedelta(seconds=settings.max_lateness_s)
            ),
        )

    def open_keys(self) -> LiveKeys:
        """The keys in force, from now on."""
        return LiveKeys(self.fixed_keys, self.keys_file, self.keys_file_needed, self.rates)


def admin_keys(*keys: str) -> tuple[ApiKey, ...]:
    """Plain keys, as `SHOAL_API_KEYS` lists them: each may do everything."""
    now, roles = datetime.now(UTC), frozenset({Role.ADMIN})
    return tuple(
        ApiKey(name=f"SHOAL_API_KEYS-{number}", roles=roles, secrets=(Secret(sha256=key_hash(key), created=now),))
        for number, key in enumerate(keys, 1)
    )
