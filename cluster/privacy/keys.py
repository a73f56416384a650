"""The master key of privacy, and the keys made of it: for hashes of ids, receipts, e-mail addresses, cursors.

`SHOAL_PRIVACY_KEY` (64 hexadecimal digits), or the file `HOME/privacy.key`, made on first use with rights 0600. All
processes of one deployment need the same one: hashes and sealed texts of another key mean nothing.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from functools import cached_property
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from cluster.settings import Settings
from models.errors import ConfigError

KEY_BYTES = 32
_NONCE_BYTES = 12
SUBJECT_BYTES = 16


class PrivacyKeys:
    """Derived keys by purpose; the text of an object shows none. Safe to share between threads."""

    def __init__(self, master: bytes) -> None:
        self._master = master

    def subject(self, user_id: str) -> bytes:
        """What stands for a user where the id must not be kept: 16 bytes that nobody can make without the key."""
        return hashlib.blake2b(user_id.encode(), digest_size=SUBJECT_BYTES, key=self._subject_key).digest()

    @cached_property
    def signer(self) -> Ed25519PrivateKey:
        """Signs receipts."""
        return Ed25519PrivateKey.from_private_bytes(self._derived("receipts"))

    def seal(self, purpose: str, text: bytes, about: bytes = b"") -> bytes:
        """Nonce and AES-GCM ciphertext. `about` is not in it, and opening needs the same."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + AESGCM(self._derived(purpose)).encrypt(nonce, text, about)

    def open(self, purpose: str, sealed: bytes, about: bytes = b"") -> bytes:
        """What was sealed; `ConfigError` when it was under another key, or for somebody else."""
        try:
            return AESGCM(self._derived(purpose)).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], about)
        except InvalidTag:
            raise ConfigError(
                f"what is kept of {purpose} was sealed under another privacy key, or altered. "
                "Set SHOAL_PRIVACY_KEY to the key of this deployment."
            ) from None

    @cached_property
    def cursors(self) -> bytes:
        """Signs the cursors of pages: `KEY_BYTES` that must not leave the servers."""
        return self._derived("cursors")

    @cached_property
    def _subject_key(self) -> bytes:
        return self._derived("subjects")

    def _derived(self, purpose: str) -> bytes:
        return HKDF(hashes.SHA256(), KEY_BYTES, None, f"shoal {purpose}".encode()).derive(self._master)


def load_keys(settings: Settings | None = None) -> PrivacyKeys:
    """The keys of the settings; makes the key file when there is neither key nor file."""
    settings = settings or Settings()
    given = settings.privacy_key.get_secret_value()
    if given:
        return PrivacyKeys(_parse(given, "SHOAL_PRIVACY_KEY"))
    path = settings.home / "privacy.key"
    return PrivacyKeys(_parse(_read_or_make(path), str(path)))


def _read_or_make(path: Path) -> str:
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        with os.fdopen(os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_hex(KEY_BYTES))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(aside, path)  # never over the key that another process made meanwhile
        except FileExistsError:
            pass
        finally:
            aside.unlink()
    if path.stat().st_mode & 0o077:
        raise ConfigError(
            f"{path} may be read by others (rights {path.stat().st_mode & 0o777:o}). Run: chmod 600 {path}"
        )
    return path.read_text().strip()


def _parse(text: str, where: str) -> bytes:
    try:
        key = bytes.fromhex(text.strip())
    except ValueError:
        key = b""
    if len(key) != KEY_BYTES:
        raise ConfigError(
            f"{where} is no key: {2 * KEY_BYTES} hexadecimal digits are needed. Make one: openssl rand -hex 32"
        )
    return key
