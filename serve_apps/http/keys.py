"""Who may come in, now: the keys of the settings and those of the keys file, which is read again when it changes."""

from __future__ import annotations

import hashlib
import hmac
import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cluster.access.api_keys import ApiKey, Rates, Role, Secret
from cluster.access.keys_file import Signature, read_keys, signature
from models.errors import ConfigError
from serve_apps.http.rate_limits import KeyLimits

_log = logging.getLogger(__name__)
_LOOK_EVERY_S = 1.0
_PREFIX_BYTES = 8


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: the name of the key, what it may do, and how much. `expires`: Unix seconds; None: it lives for good."""

    name: str
    roles: frozenset[Role]
    limits: KeyLimits
    expires: float | None = None


class LiveKeys:
    """The keys in force.

    `ConfigError` when the file is `needed` and cannot be read: a replica without its keys does not start. Later a file
    that is broken or gone is logged, and the keys of before stay. A file that appears is followed like any other.
    """

    def __init__(self, fixed: Sequence[ApiKey], path: Path | None, needed: bool, defaults: Rates) -> None:
        self._fixed, self._path, self._defaults = fixed, path, defaults
        self._limits: dict[str, KeyLimits] = {}
        self._known: dict[bytes, tuple[bytes, Caller]] = {}
        self._signature: Signature | None = None
        self._looked_at = time.monotonic()
        self._asks = bool(fixed) or needed
        self._use(())
        if path is not None and (needed or path.exists()):
            self._load(path, signature(path))

    def asks(self) -> bool:
        """True when a key is asked for. Once it is, it stays so. Looks at the file, at most once a second."""
        now = time.monotonic()
        if self._path is not None and now - self._looked_at >= _LOOK_EVERY_S:
            self._looked_at = now
            self._follow(self._path)
        return self._asks

    def find(self, sent: bytes) -> Caller | None:
        """Whose key this is; None for an unknown one. It may have expired.

        Found by the first bytes of its hash, then compared whole in constant time: what the time of the look-up tells
        is about hashes, and nobody can make a key to a hash.
        """
        digest = hashlib.sha256(sent).digest()
        known, caller = self._known.get(digest[:_PREFIX_BYTES], (b"", None))
        return caller if hmac.compare_digest(known, digest) else None

    def _follow(self, path: Path) -> None:
        seen = signature(path)
        if seen == self._signature:
            return
        try:
            self._load(path, seen)
        except ConfigError as error:
            _log.error("the keys of before stay in force: %s", error)

    def _load(self, path: Path, seen: Signature | None) -> None:
        self._signature = seen  # before it is read: a change meanwhile is seen next time, and a broken file said once
        listed = read_keys(path).keys
        self._use(listed)
        self._asks = True
        _log.info("the keys file %s holds %s keys", path, len(listed))

    def _use(self, listed: Sequence[ApiKey]) -> None:
        keys = (*self._fixed, *listed)
        self._limits = {key.name: self._limits_of(key) for key in keys}
        secrets = ((key, secret, bytes.fromhex(secret.sha256)) for key in keys for secret in key.secrets)
        self._known = {digest[:_PREFIX_BYTES]: (digest, self._caller(key, secret)) for key, secret, digest in secrets}

    def _limits_of(self, key: ApiKey) -> KeyLimits:
        """The buckets as they stand, unless the rates have changed."""
        rates, before = key.rates.over(self._defaults), self._limits.get(key.name)
        return before if before is not None and before.rates == rates else KeyLimits(rates)

    def _caller(self, key: ApiKey, secret: Secret) -> Caller:
        expires = secret.expires.timestamp() if secret.expires else None
        return Caller(key.name, key.roles, self._limits[key.name], expires)
