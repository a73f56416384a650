"""API keys: what is kept of each, and how the list of them changes.

A key is 256 random bits, and only its SHA-256 is kept. A fast hash is the right one here: a slow one (argon2, bcrypt)
protects passwords that people make up and others can guess; 256 bits nobody can try, and a slow hash would only make
every request dear. For the same reason there is no salt: no two keys are equal, and no table of them can be made.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, field_serializer, field_validator, model_validator

from models.errors import InputError, NotFoundError

KEY_PREFIX = "shoal_"
"""So that scanners of secrets, and people, know one when they see it."""
_KEY_BYTES = 32


class Role(StrEnum):
    """What a key may do. They do not contain one another, except that `admin` may do everything."""

    READ = "read"
    WRITE = "write"
    ADMIN = "admin"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Rates(_Part):
    """How much a key may ask of one gateway replica. None: as the settings say; a rate of 0: without limit."""

    requests_per_s: float | None = Field(None, ge=0, allow_inf_nan=False)
    requests_burst: int | None = Field(None, ge=1)
    events_per_s: float | None = Field(None, ge=0, allow_inf_nan=False)
    events_burst: int | None = Field(None, ge=1)

    def over(self, defaults: Rates) -> Rates:
        """These, and the defaults where nothing is said."""
        return defaults.model_copy(update=self.model_dump(exclude_none=True))


class Secret(_Part):
    """One key by its hash. During a rotation a name has two."""

    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$", repr=False)]
    created: AwareDatetime
    expires: AwareDatetime | None = None

    def is_over(self, now: datetime) -> bool:
        """True once it has expired."""
        return self.expires is not None and self.expires <= now


class ApiKey(_Part):
    """One caller: its name, roles, rates and secrets, newest last."""

    name: Annotated[str, Field(pattern="^[A-Za-z0-9._-]{1,64}$")]
    roles: Annotated[frozenset[Role], Field(min_length=1)]
    rates: Rates = Rates()
    secrets: Annotated[tuple[Secret, ...], Field(min_length=1)]

    @field_serializer("roles")
    def _in_order(self, roles: frozenset[Role]) -> list[str]:
        return [role.value for role in Role if role in roles]

    def rotated(self, fresh: Secret, grace: timedelta) -> ApiKey:
        """The new secret beside those that still live, each for `grace` at most."""
        now, last = fresh.created, fresh.created + grace
        leaving = [
            old.model_copy(update={"expires": min(filter(None, (old.expires, last)))})
            for old in self.secrets
            if grace and not old.is_over(now)
        ]
        return self.model_copy(update={"secrets": (*leaving, fresh)})


class KeyList(_Part):
    """The keys file. Names and hashes are unique."""

    version: Literal[1] = 1
    keys: tuple[ApiKey, ...] = ()

    @field_validator("keys")
    @classmethod
    def _sorted(cls, keys: tuple[ApiKey, ...]) -> tuple[ApiKey, ...]:
        return tuple(sorted(keys, key=lambda key: key.name))

    @model_validator(mode="after")
    def _unique(self) -> KeyList:
        _refuse_repeated("the name", [key.name for key in self.keys])
        _refuse_repeated("the hash", [secret.sha256 for key in self.keys for secret in key.secrets])
        return self

    def get(self, name: str) -> ApiKey:
        """The key of that name; `NotFoundError` without one."""
        for key in self.keys:
            if key.name == name:
                return key
        names = ", ".join(key.name for key in self.keys) or "none"
        raise NotFoundError(f"there is no key named {name!r}. There are: {names}.")

    def added(self, key: ApiKey) -> KeyList:
        """With one more; `InputError` when the name is taken."""
        if any(key.name == other.name for other in self.keys):
            raise InputError(f"there is a key named {key.name!r} already. Rotate or revoke it, or choose another name.")
        return KeyList(keys=(*self.keys, key))

    def replaced(self, key: ApiKey) -> KeyList:
        """With this one in the place of the one of its name."""
        return self.removed(key.name).added(key)

    def removed(self, name: str) -> KeyList:
        """Without the key of that name; `NotFoundError` when there is none."""
        gone = self.get(name)
        return KeyList(keys=tuple(key for key in self.keys if key is not gone))


def make_key() -> str:
    """A new key: 256 random bits as text that fits into a header and a shell."""
    return KEY_PREFIX + secrets.token_urlsafe(_KEY_BYTES)


def key_hash(key: str) -> str:
    """SHA-256 of a key, in hex."""
    return hashlib.sha256(key.encode()).hexdigest()


def _refuse_repeated(what: str, values: Sequence[str]) -> None:
    for value, count in Counter(values).items():
        if count > 1:
            raise ValueError(f"{what} {value} stands {count} times")
