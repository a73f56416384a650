"""Receipts of erasures: which places were searched, how many rows went, when; signed, and without personal data.

Signed with Ed25519 rather than an HMAC: who checks a receipt (a user's lawyer, an authority) needs the public key
alone, which cannot sign another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from cluster.privacy.keys import PrivacyKeys
from models.errors import InputError

_FORMAT = 1


@dataclass(frozen=True, slots=True)
class PlaceErased:
    """Rows, entries or files that went from one place, and when (UTC, ISO 8601)."""

    rows: int
    at: str


@dataclass(frozen=True, slots=True)
class Receipt:
    """One erasure. `subjects`: a keyed hash of each id. `resumed`: it was interrupted, so counts are at least these."""

    erasure_id: str
    requested_at: str
    finished_at: str
    subjects: tuple[str, ...]
    places: Mapping[str, PlaceErased] = field(default_factory=dict)
    resumed: bool = False

    @property
    def num_rows(self) -> int:
        """Of all places."""
        return sum(place.rows for place in self.places.values())

    def signed(self, keys: PrivacyKeys) -> bytes:
        """The receipt as a file: JSON with the signature over its canonical form."""
        body = {"format": _FORMAT, **asdict(self)}
        signature = keys.signer.sign(_canonical(body)).hex()
        return orjson.dumps(
            {"receipt": body, "signature": signature, "public_key": public_key(keys)},
            option=orjson.OPT_SORT_KEYS | orjson.OPT_INDENT_2,
        )


def public_key(keys: PrivacyKeys) -> str:
    """What others check receipts with: 64 hexadecimal digits."""
    return keys.signer.public_key().public_bytes_raw().hex()


def verify(data: bytes, trusted_key: str) -> Receipt:
    """The receipt; `InputError` when it is none, was altered, or was signed by another key than the trusted one.

    The key that stands in the file is a hint only: whoever forges a receipt can put theirs there.
    """
    try:
        file = orjson.loads(data)
        body, signature = file["receipt"], bytes.fromhex(file["signature"])
        places = {name: PlaceErased(**place) for name, place in body["places"].items()}
        fields = {name: value for name, value in body.items() if name != "format"}
        receipt = Receipt(**{**fields, "places": places, "subjects": tuple(body["subjects"])})
        stated = file["public_key"]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"this is no receipt of an erasure ({error}). Give the JSON file that shoal forget wrote."
        ) from None
    try:
        Ed25519PublicKey.from_public_bytes(bytes.fromhex(trusted_key)).verify(signature, _canonical(body))
    except ValueError:
        raise InputError("the public key is none: 64 hexadecimal digits are needed. See: shoal receipt key") from None
    except InvalidSignature:
        why = "it was altered" if stated == trusted_key else "it was signed by another key, or altered"
        raise InputError(f"the receipt is not genuine: {why}. Ask for it again where it was made.") from None
    return receipt


def _canonical(body: object) -> bytes:
    return orjson.dumps(body, option=orjson.OPT_SORT_KEYS)
