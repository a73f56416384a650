"""An erasure from the request to the receipt: what is asked, how far it is, and what was found where.

A job is kept in the online store until it is finished, sealed with the privacy key: it is the one place that still
names its users. It is written after each place, so that an erasure that was interrupted goes on where it ended.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime

import orjson

from cluster.online.store import OnlineStore
from cluster.privacy.keys import PrivacyKeys
from cluster.privacy.receipts import PlaceErased, Receipt
from models.errors import InputError
from models.events import check_id

_PURPOSE = "erasures"
MAX_USERS = 1_000
"""Of one step of the store: it serves nobody else meanwhile."""


@dataclass(frozen=True, slots=True)
class Job:
    """`through`: the log offset of each user's tombstone. `attempts`: how often it was begun."""

    job_id: str
    requested_at: str
    user_ids: tuple[str, ...]
    through: Mapping[str, int] = field(default_factory=dict)
    places: Mapping[str, PlaceErased] = field(default_factory=dict)
    attempts: int = 0

    def found(self, rows: Mapping[str, int]) -> Job:
        """With places that were searched just now."""
        at = now()
        return replace(self, places={**self.places, **{name: PlaceErased(n, at) for name, n in rows.items()}})

    def receipt(self, keys: PrivacyKeys) -> Receipt:
        """What is handed out once every place was searched."""
        subjects = tuple(keys.subject(user_id).hex() for user_id in self.user_ids)
        return Receipt(self.job_id, self.requested_at, now(), subjects, self.places, self.attempts > 1)


def hide(store: OnlineStore, keys: PrivacyKeys, user_ids: Sequence[str]) -> Job:
    """The first step: at once out of every answer. What is left to do is noted in the store in the same step.

    `InputError` for an id that is none.
    """
    wanted = tuple(dict.fromkeys(check_id("user_id", user_id) for user_id in user_ids))
    if not wanted:
        raise InputError("nobody is to be erased. Give a user id, or a file of them with one a line.")
    job = Job(f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{secrets.token_hex(4)}", now(), wanted)
    return hide_rest(store, keys, job)


def hide_rest(store: OnlineStore, keys: PrivacyKeys, job: Job) -> Job:
    """Hide those of a job who are not known to be hidden: a first step that was interrupted is done to its end."""
    wanted = [user_id for user_id in job.user_ids if user_id not in job.through]
    for start in range(0, len(wanted), MAX_USERS):
        part = wanted[start : start + MAX_USERS]
        hidden = store.privacy.hide(part, job.job_id, _sealed(job, keys))
        before = {name: place.rows for name, place in job.places.items()}
        found = {f"store/{name}": n + before.get(f"store/{name}", 0) for name, n in hidden.entries.items()}
        job = replace(job, through={**job.through, **hidden.through}).found(found)
    note(store, keys, job)
    return job


def note(store: OnlineStore, keys: PrivacyKeys, job: Job) -> None:
    """Keep how far a job is."""
    store.privacy.note_job(job.job_id, _sealed(job, keys))


def pending(store: OnlineStore, keys: PrivacyKeys) -> list[Job]:
    """Jobs that are not finished, oldest first."""
    return [_job(keys.open(_PURPOSE, body, job_id.encode())) for job_id, body in store.privacy.jobs().items()]


def now() -> str:
    """This moment in UTC, to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _sealed(job: Job, keys: PrivacyKeys) -> bytes:
    return keys.seal(_PURPOSE, orjson.dumps(asdict(job)), job.job_id.encode())


def _job(body: bytes) -> Job:
    fields = orjson.loads(body)
    places = {name: PlaceErased(**place) for name, place in fields["places"].items()}
    return Job(**{**fields, "user_ids": tuple(fields["user_ids"]), "places": places})
