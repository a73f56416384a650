"""A receipt is checked by the public key alone, and nothing in it can be changed."""

from __future__ import annotations

from pathlib import Path

import orjson
import pytest

from cluster.commands.receipt import main
from cluster.privacy.keys import PrivacyKeys
from cluster.privacy.receipts import PlaceErased, Receipt, public_key, verify
from models.errors import InputError

KEYS, OTHER = PrivacyKeys(b"k" * 32), PrivacyKeys(b"l" * 32)
WHEN = "2026-01-31T12:00:00+00:00"
RECEIPT = Receipt("e1", WHEN, WHEN, (KEYS.subject("ann").hex(),), {"lake/users": PlaceErased(1, WHEN)}, False)


def test_a_genuine_receipt_is_read_back() -> None:
    assert verify(RECEIPT.signed(KEYS), public_key(KEYS)) == RECEIPT
    assert b"ann" not in RECEIPT.signed(KEYS)


@pytest.mark.parametrize("field", ["erasure_id", "requested_at", "finished_at", "subjects", "places", "resumed"])
def test_any_change_is_seen(field: str) -> None:
    file = orjson.loads(RECEIPT.signed(KEYS))
    changed = {"subjects": ["00" * 16], "places": {}, "resumed": True}
    file["receipt"][field] = changed.get(field, "other")
    with pytest.raises(InputError, match="not genuine: it was altered"):
        verify(orjson.dumps(file), public_key(KEYS))


def test_a_receipt_of_somebody_else_does_not_pass_by_the_key_it_names() -> None:
    with pytest.raises(InputError, match="signed by another key"):
        verify(RECEIPT.signed(OTHER), public_key(KEYS))
    assert verify(RECEIPT.signed(OTHER), public_key(OTHER)) == RECEIPT


@pytest.mark.parametrize("data", [b"", b"[]", b"{}", b'{"receipt": 1, "signature": "00"}'])
def test_what_is_no_receipt_says_so(data: bytes) -> None:
    with pytest.raises(InputError, match="no receipt of an erasure"):
        verify(data, public_key(KEYS))


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("SHOAL_PRIVACY_KEY", (b"k" * 32).hex())
    file = tmp_path / "receipt.json"
    file.write_bytes(RECEIPT.signed(KEYS))
    assert main(["verify", str(file)]) == 0
    assert "genuine: erasure e1 of 1 users" in capsys.readouterr().out
    assert main(["key"]) == 0
    assert capsys.readouterr().out.strip() == public_key(KEYS)
    assert main(["verify", str(file), "--public-key", public_key(OTHER)]) == 2
    assert main(["verify", str(file), "--public-key", "abc"]) == 2
    assert main(["verify", str(tmp_path / "missing")]) == 2
    assert "not genuine" in capsys.readouterr().err
