"""E-mail addresses at rest: AES-GCM under a key of each user's own, which the master key wraps.

The wrapped key lies in the online store beside the sealed address, under the user's subject; the lake has the sealed
address alone. An erasure destroys the key, and with it every copy of the address: backups, old versions, other lakes.
"""

from __future__ import annotations

import base64
import hmac
import secrets
from collections.abc import Mapping

import orjson
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from cluster.online.store import OnlineStore
from cluster.privacy.keys import KEY_BYTES, PrivacyKeys
from models.errors import InputError
from models.privacy import is_email

_PURPOSE = "e-mail keys"
_VERSION = "1."
_NONCE_BYTES = 12


def seal_emails(store: OnlineStore, keys: PrivacyKeys, emails: Mapping[str, str]) -> dict[str, str]:
    """Sealed addresses by user, as text for the lake; the store keeps them and the keys. The same address of the same
    user is sealed to the same text, so that nothing changes where it is given again.

    `InputError` for what is no address, without saying what it is.
    """
    bad = [number for number, email in enumerate(emails.values(), start=1) if not is_email(email)]
    if bad:
        raise InputError(f"email: number {bad[0]} of {len(emails)} is no address. Send name@host, up to 254 bytes.")
    subjects = {user_id: keys.subject(user_id) for user_id in emails}
    records = store.privacy.sealed(list(subjects.values()))
    sealed: dict[str, str] = {}
    changed: dict[bytes, bytes] = {}
    for (user_id, email), record in zip(emails.items(), records, strict=True):
        subject = subjects[user_id]
        wrapped, before = _unpacked(record) if record else (b"", "")
        key = keys.open(_PURPOSE, wrapped, subject) if wrapped else secrets.token_bytes(KEY_BYTES)
        sealed[user_id] = _seal(key, email.strip(), subject)
        if sealed[user_id] != before:
            changed[subject] = _packed(wrapped or keys.seal(_PURPOSE, key, subject), sealed[user_id])
    store.privacy.keep_sealed(changed)
    return sealed


def open_email(store: OnlineStore, keys: PrivacyKeys, user_id: str, sealed: str | None = None) -> str | None:
    """The address of a user (of `sealed`, or the one that the store has); None once the user's key is gone."""
    subject = keys.subject(user_id)
    [record] = store.privacy.sealed([subject])
    if record is None:
        return None
    wrapped, kept = _unpacked(record)
    raw = base64.b64decode((sealed or kept).removeprefix(_VERSION))
    cipher = AESGCM(keys.open(_PURPOSE, wrapped, subject))
    try:
        return cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], subject).decode()
    except InvalidTag:  # sealed under a key that was destroyed; the user came back since
        return None


def _seal(key: bytes, email: str, subject: bytes) -> str:
    # A nonce made of the text never meets another text under the same key, which is all that GCM asks of it.
    nonce = hmac.digest(key, email.encode(), "sha256")[:_NONCE_BYTES]
    return _VERSION + base64.b64encode(nonce + AESGCM(key).encrypt(nonce, email.encode(), subject)).decode()


def _packed(wrapped: bytes, sealed: str) -> bytes:
    return orjson.dumps((base64.b64encode(wrapped).decode(), sealed))


def _unpacked(record: bytes) -> tuple[bytes, str]:
    wrapped, sealed = orjson.loads(record)
    return base64.b64decode(wrapped), sealed
