"""What every catalogue store does, written once. Each back end's test file names the back end."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest

from cluster.online import catalogue
from cluster.online.catalogue import edit
from cluster.online.catalogue_store import Change, Edit, Outcome
from cluster.online.store import OnlineStore, OnlineUser
from models.catalogue_entries import Entry, Kind, parse_entry
from models.errors import NotFoundError
from models.item_state import ItemState
from tests.cluster.online.store_suite import event

IDS = ["é" * 64, "🐟" * 32, "a\x00b", "שלום", "{0}", "x' OR 1=1 --", " ", "a,b:c|d", "a/b"]


def item(**fields: Any) -> Entry:
    return parse_entry(Kind.ITEM, fields)


def user(**fields: Any) -> Entry:
    return parse_entry(Kind.USER, fields)


def changed_ids(store: OnlineStore, after: int = 0, kind: Kind = Kind.ITEM, *, restricted: bool = False) -> list[str]:
    return [change.id for change in store.catalogue.changes(kind, after, 10_000, restricted=restricted)]


class CatalogueSuite:
    store_type: ClassVar[type]

    @pytest.fixture
    def address(self) -> str:
        raise NotImplementedError

    @pytest.fixture
    def store(self, address: str) -> Iterator[OnlineStore]:
        made: OnlineStore = self.store_type(address)
        yield made
        made.close()

    def test_what_is_put_is_kept_and_put_again_changes_nothing(self, store: OnlineStore) -> None:
        kept = store.catalogue
        before = time.time_ns() // 1_000
        entry = item(title="A", metadata={"b": [None, {"c": 1}]})
        [first] = catalogue.put(kept, Kind.ITEM, [("a", entry)])
        assert (first.existed, first.changed) == (False, True)
        assert before <= first.version <= time.time_ns() // 1_000
        assert catalogue.put(kept, Kind.ITEM, [("a", entry)]) == [Outcome(first.version, True, False)]
        assert catalogue.get(kept, Kind.ITEM, "a") == catalogue.Kept("a", entry, first.version)
        [second] = catalogue.put(kept, Kind.ITEM, [("a", item(title="B"))])
        assert second.existed
        assert second.changed
        assert second.version > first.version
        assert catalogue.get(kept, Kind.ITEM, "a").entry == item(title="B")
        assert kept.version(Kind.ITEM) == second.version

    def test_any_id_of_128_bytes_is_kept_whole(self, store: OnlineStore) -> None:
        catalogue.put(store.catalogue, Kind.ITEM, [(id_, item(title=id_)) for id_ in IDS])
        assert changed_ids(store) == IDS
        for id_ in IDS:
            assert catalogue.get(store.catalogue, Kind.ITEM, id_).entry == item(title=id_)

    def test_items_and_users_do_not_meet(self, store: OnlineStore) -> None:
        catalogue.put(store.catalogue, Kind.ITEM, [("x", item(title="A"))])
        with pytest.raises(NotFoundError, match="there is no user 'x'"):
            catalogue.get(store.catalogue, Kind.USER, "x")
        before = store.fetch([]).items_version
        catalogue.put(store.catalogue, Kind.USER, [("x", user(country="NO"))])
        assert store.fetch([]).items_version == before == store.catalogue.version(Kind.ITEM)
        assert changed_ids(store) == changed_ids(store, kind=Kind.USER) == ["x"]

    def test_a_patch_merges_and_the_same_again_changes_nothing(self, store: OnlineStore) -> None:
        catalogue.put(store.catalogue, Kind.ITEM, [("a", item(title="A", metadata={"x": 1, "y": 2}))])
        patch = {"available": False, "metadata": {"x": None, "z": 3}}
        once = catalogue.patch(store.catalogue, Kind.ITEM, "a", patch)
        assert once.entry == item(title="A", metadata={"y": 2, "z": 3}, available=False)
        assert catalogue.patch(store.catalogue, Kind.ITEM, "a", patch) == once
        with pytest.raises(NotFoundError, match=r"there is no item 'b'\. Put it first"):
            catalogue.patch(store.catalogue, Kind.ITEM, "b", patch)

    def test_patches_at_once_are_all_in_it(self, store: OnlineStore) -> None:
        catalogue.put(store.catalogue, Kind.ITEM, [("a", item())])

        def work(number: int) -> None:
            catalogue.patch(store.catalogue, Kind.ITEM, "a", {"metadata": {str(number): number}})

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        kept = catalogue.get(store.catalogue, Kind.ITEM, "a").entry
        assert kept.metadata == {str(n): n for n in range(8)}  # type: ignore[union-attr]

    def test_what_is_deleted_is_gone_and_stays_a_change(self, store: OnlineStore) -> None:
        catalogue.put(store.catalogue, Kind.ITEM, [("a", item(title="A"))])
        version = store.catalogue.version(Kind.ITEM)
        first = catalogue.delete(store.catalogue, Kind.ITEM, ["a", "never put"])
        assert [(outcome.existed, outcome.changed) for outcome in first] == [(True, True), (False, True)]
        again = catalogue.delete(store.catalogue, Kind.ITEM, ["a", "never put"])
        assert [outcome.changed for outcome in again] == [False, False]
        with pytest.raises(NotFoundError):
            catalogue.get(store.catalogue, Kind.ITEM, "a")
        with pytest.raises(NotFoundError):
            catalogue.patch(store.catalogue, Kind.ITEM, "a", {"title": "B"})
        changes = store.catalogue.changes(Kind.ITEM, version, 10)
        assert [change.id for change in changes] == ["a", "never put"]
        assert {ItemState.from_bytes(change.state).blocked for change in changes} == {True}
        [outcome] = catalogue.put(store.catalogue, Kind.ITEM, [("a", item(title="A"))])
        assert (outcome.existed, outcome.changed) == (False, True)

    def test_an_expected_version_is_met_or_nothing_is_written(self, store: OnlineStore) -> None:
        kept = store.catalogue
        [made] = kept.write(Kind.ITEM, [edit("a", item(title="A"), expected=0)])
        assert made is not None
        outcomes = kept.write(
            Kind.ITEM,
            [
                edit("a", item(title="B"), expected=0),
                edit("a", item(title="C"), expected=made.version),
                edit("a", item(title="D"), expected=made.version),
            ],
        )
        assert [outcome is not None for outcome in outcomes] == [False, True, False]
        assert catalogue.get(kept, Kind.ITEM, "a").entry == item(title="C")
        assert kept.write(Kind.ITEM, []) == []

    def test_changes_are_in_order_each_id_once_read_in_parts(self, store: OnlineStore) -> None:
        ids = [f"i{n}" for n in range(25)]
        catalogue.put(store.catalogue, Kind.ITEM, [(id_, item(title=id_)) for id_ in ids])
        catalogue.put(store.catalogue, Kind.ITEM, [("i3", item(title="new"))])
        expected = [id_ for id_ in ids if id_ != "i3"] + ["i3"]
        assert changed_ids(store) == expected
        found: list[Change] = []
        while page := store.catalogue.changes(Kind.ITEM, found[-1].version if found else 0, 7):
            found += page
        assert [change.id for change in found] == expected
        assert [c.version for c in found] == sorted({c.version for c in found})
        assert found[-1].version == store.fetch([]).items_version
        assert ItemState.from_bytes(found[-1].state).title == "new"
        assert store.catalogue.horizon(Kind.ITEM, 4) == found[-5].version
        assert store.catalogue.horizon(Kind.ITEM, 25) == 0
        assert changed_ids(store, store.catalogue.horizon(Kind.ITEM, 4)) == expected[-4:]

    def test_more_changes_than_one_script_or_query_takes(self, store: OnlineStore) -> None:
        ids = [f"i{n}" for n in range(4_321)]
        outcomes = catalogue.put(store.catalogue, Kind.ITEM, [(id_, item(available=False)) for id_ in ids])
        assert all(outcome.changed for outcome in outcomes)
        assert changed_ids(store) == changed_ids(store, restricted=True) == ids

    def test_only_what_is_restricted_now_is_listed_as_that(self, store: OnlineStore) -> None:
        entries = {
            "plain": item(title="x"),
            "off": item(available=False),
            "ends": item(expires_at="2030-01-01T00:00:00Z"),
            "local": item(countries=["NO"]),
            "back": item(available=False),
        }
        catalogue.put(store.catalogue, Kind.ITEM, list(entries.items()))
        catalogue.patch(store.catalogue, Kind.ITEM, "back", {"available": None})
        catalogue.delete(store.catalogue, Kind.ITEM, ["gone"])
        assert changed_ids(store, restricted=True) == ["off", "ends", "local", "gone"]
        assert changed_ids(store) == ["plain", "off", "ends", "local", "back", "gone"]

    def test_a_quiet_write_is_no_change(self, store: OnlineStore) -> None:
        store.catalogue.write(Kind.ITEM, [edit("a", item(title="A"), quiet=True)])
        assert catalogue.get(store.catalogue, Kind.ITEM, "a").entry == item(title="A")
        assert (changed_ids(store), store.fetch([]).items_version) == ([], 0)
        store.catalogue.write(Kind.ITEM, [edit("b", item(available=False), quiet=True)])
        catalogue.patch(store.catalogue, Kind.ITEM, "a", {"title": "B"})
        assert changed_ids(store) == ["b", "a"]

    def test_a_profile_is_in_the_very_next_read_of_another_client(self, store: OnlineStore, address: str) -> None:
        other: OnlineStore = self.store_type(address)
        store.append([event(1, country="SE")])
        store.warm({"ann": OnlineUser(attributes={"age": "60", "zip": "1"})})
        catalogue.put(store.catalogue, Kind.USER, [("ann", user(attributes={"age": 25}, personalization=True))])
        [ann] = other.users(["ann"])
        assert (ann.country, ann.attributes, ann.personalization) == ("SE", {"age": "25"}, True)
        assert [e.item_id for e in ann.history] == ["item-1"]
        assert "25" not in repr(ann)
        catalogue.patch(store.catalogue, Kind.USER, "ann", {"country": "NO", "personalization": None})
        [ann, bob] = other.users(["ann", "bob"])
        assert (ann.country, ann.attributes, ann.personalization) == ("NO", {"age": "25"}, None)
        assert bob == OnlineUser()
        other.close()

    def test_a_deleted_profile_is_gone_and_warming_does_not_bring_it_back(self, store: OnlineStore) -> None:
        lake = {"ann": OnlineUser(country="NO", attributes={"age": "60"})}
        store.append([event(1)])
        store.warm(lake)
        catalogue.delete(store.catalogue, Kind.USER, ["ann"])
        for _ in range(2):
            [ann] = store.users(["ann"])
            assert (ann.country, ann.attributes, len(ann.history)) == (None, {}, 1)
            store.warm(lake)
        store.append([event(2, country="DK")])
        assert store.users(["ann"])[0].country == "DK"

    def test_many_users_are_written_and_read_at_once(self, store: OnlineStore) -> None:
        entries = [(f"u{n}", user(country="NO", attributes={"n": n})) for n in range(1_000)]
        catalogue.put(store.catalogue, Kind.USER, entries)
        found = store.users([id_ for id_, _ in entries])
        assert [one.attributes for one in found] == [{"n": str(n)} for n in range(1_000)]

    def test_a_large_document_is_kept_whole(self, store: OnlineStore) -> None:
        entry = item(description="é" * 30_000)
        catalogue.put(store.catalogue, Kind.ITEM, [("a", entry)])
        assert catalogue.get(store.catalogue, Kind.ITEM, "a").entry == entry

    def test_a_version_never_goes_back(self, store: OnlineStore) -> None:
        last = 0
        for number in range(50):
            store.catalogue.write(Kind.ITEM, [Edit("a", str(number).encode(), b"[]")])
            version = store.fetch([]).items_version
            assert version > last
            last = version
