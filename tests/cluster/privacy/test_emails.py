"""An address at rest: under a key of its user's own, the same text each time, gone with the key."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cluster.privacy.emails import open_email, seal_emails
from cluster.privacy.keys import PrivacyKeys
from cluster.sqlite.store import SqliteStore
from models.errors import ConfigError, InputError
from models.features import FeatureSpec
from models.privacy import is_email, is_email_name
from models.profiles import parse_attributes

KEYS = PrivacyKeys(bytes.fromhex("5a" * 32))


@pytest.fixture
def store(tmp_path: Path) -> SqliteStore:
    return SqliteStore(str(tmp_path / "online.db"))


def test_an_address_is_sealed_and_opened(store: SqliteStore, tmp_path: Path) -> None:
    sealed = seal_emails(store, KEYS, {"ann": " ann@x.org ", "bob": "bob@x.org"})
    assert open_email(store, KEYS, "ann") == "ann@x.org"
    assert open_email(store, KEYS, "bob", sealed["bob"]) == "bob@x.org"
    assert open_email(store, KEYS, "cid") is None
    store.close()
    assert not [path for path in tmp_path.iterdir() if b"ann@x" in path.read_bytes()]


def test_the_same_address_is_the_same_text_and_another_users_is_not(store: SqliteStore) -> None:
    first = seal_emails(store, KEYS, {"ann": "a@x.org", "bob": "a@x.org"})
    assert seal_emails(store, KEYS, {"ann": "a@x.org"}) == {"ann": first["ann"]}
    assert first["ann"] != first["bob"]
    changed = seal_emails(store, KEYS, {"ann": "b@x.org"})
    assert open_email(store, KEYS, "ann", first["ann"]) == "a@x.org"
    assert open_email(store, KEYS, "ann") == open_email(store, KEYS, "ann", changed["ann"]) == "b@x.org"


def test_a_destroyed_key_opens_nothing_even_when_the_user_comes_back(store: SqliteStore) -> None:
    old = seal_emails(store, KEYS, {"ann": "a@x.org"})["ann"]
    store.privacy.hide(["ann"], "job", b"")
    assert open_email(store, KEYS, "ann", old) is None
    seal_emails(store, KEYS, {"ann": "a@x.org"})
    assert open_email(store, KEYS, "ann", old) is None


def test_one_users_record_does_not_open_as_anothers(store: SqliteStore) -> None:
    seal_emails(store, KEYS, {"ann": "a@x.org"})
    [record] = store.privacy.sealed([KEYS.subject("ann")])
    assert record is not None
    store.privacy.keep_sealed({KEYS.subject("bob"): record})
    with pytest.raises(ConfigError, match="altered"):
        open_email(store, KEYS, "bob")


@pytest.mark.parametrize("text", ["", "ann", "ann@host", "a b@x.org", f"{'a' * 250}@x.org"])
def test_what_is_no_address_is_refused_without_showing_it(store: SqliteStore, text: str) -> None:
    with pytest.raises(InputError, match="number 2 of 2 is no address") as error:
        seal_emails(store, KEYS, {"ann": "ann@x.org", "bob": text})
    assert not text or text not in str(error.value).replace("name@host", "")
    assert store.privacy.sealed([KEYS.subject("ann")]) == [None]


@pytest.mark.parametrize("name", ["email", "E-Mail", "e_mail", "EMAIL address", "mail", "eMail"])
@pytest.mark.parametrize("value", ["ann@x.org", "not an address"])
def test_an_address_is_no_attribute_and_no_bucket(name: str, value: str) -> None:
    assert is_email_name(name)
    attributes = parse_attributes(json.dumps({name: value, "age": 25}))
    assert attributes == {"age": "25"}
    spec = FeatureSpec()
    assert spec.profiles([attributes]).tolist() == spec.profiles([{"age": "25"}]).tolist()


@pytest.mark.parametrize("name", ["login", "contact", "mailing_list"])
def test_an_address_under_any_other_name_is_none_either(name: str) -> None:
    assert is_email("ann@x.org")
    assert parse_attributes(json.dumps({name: "ann@x.org"})) == {}
    assert parse_attributes(json.dumps({name: "yes"})) == {name: "yes"}
