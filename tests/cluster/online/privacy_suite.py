"""What every online store does for a user's privacy, written once. Each back end's test file names the back end."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, ClassVar

import pytest

from cluster.consuming.counting import Counting, count
from cluster.online import catalogue
from cluster.online.consent import set_consent
from cluster.online.event_log import DeadLetter, Job, partition_of
from cluster.online.leases import Lease
from cluster.online.store import OnlineStore, OnlineUser
from models.catalogue_entries import Kind, UserEntry
from models.errors import StoreError
from models.events import EventType
from models.exposures import Exposure
from models.privacy import ANONYMOUS_ID
from models.quarantine import Rejected
from models.user_state import HistoryEvent
from tests.cluster.online.store_suite import START, event, exposure, items, logged, read_all


def fill(store: OnlineStore) -> None:
    """Two users of whom everything is kept that can be."""
    for user in ("ann", "bob"):
        store.warm({user: OnlineUser(attributes={"age": "25", "city": "Oslo"})})
        store.append([event(f"{user}-{n}", user=user, at_s=n, country="NO", session_id="s") for n in range(5)])
        store.append([event(f"{user}-hide", user=user, kind=EventType.HIDE)])
    store.append_exposures([exposure(1)])


class PrivacySuite:
    """Tests of a `PrivacyStore`; a back end gives `store_type` and the fixture `address`."""

    store_type: ClassVar[Any]

    @pytest.fixture
    def store(self, address: str) -> Iterator[OnlineStore]:
        store: OnlineStore = self.store_type(address)
        fill(store)
        yield store
        store.close()

    def test_a_hidden_user_is_in_no_answer_and_others_are_as_before(self, store: OnlineStore) -> None:
        before = store.users(["bob"])
        store.privacy.keep_sealed({b"s" * 16: b"of somebody else"})
        hidden = store.privacy.hide(["ann", "nobody"], "job-1", b"noted")
        assert store.users(["ann", "bob"]) == [OnlineUser(erased=True), *before]
        assert hidden.entries["history"] == 6
        assert hidden.entries["attributes"] == 2
        assert (hidden.entries["country"], hidden.entries["profile"]) == (1, 0)
        assert store.privacy.jobs() == {"job-1": b"noted"}
        assert store.privacy.sealed([b"s" * 16]) == [b"of somebody else"]

    def test_hiding_again_finds_nothing(self, store: OnlineStore) -> None:
        store.privacy.hide(["ann"], "job-1", b"")
        assert not any(store.privacy.hide(["ann"], "job-2", b"").entries.values())

    def test_what_comes_after_starts_from_nothing(self, store: OnlineStore) -> None:
        hidden = store.privacy.hide(["ann"], "job-1", b"")
        store.append([event("new", at_s=9)])
        assert items(store) == ["item-new"]
        assert store.users(["ann"])[0].country is None
        [new] = [e for e in of_ann(store) if e.offset > hidden.through["ann"]]
        assert new.entry.item_id == "item-new"

    def test_readers_see_all_of_a_user_or_nothing(self, store: OnlineStore) -> None:
        seen: list[OnlineUser] = []
        stop = threading.Event()

        def read() -> None:
            while not stop.is_set():
                seen.extend(store.users(["ann"]))

        whole = store.users(["ann"])[0]
        reader = threading.Thread(target=read)
        reader.start()
        while len(seen) < 3:
            pass
        store.privacy.hide(["ann"], "job-1", b"")
        num_before = len(seen)
        while len(seen) < num_before + 3:
            pass
        stop.set()
        reader.join()
        # A reader of two statements may begin before the erasure and end behind it; it never sees a part come back.
        assert seen[0] == whole
        assert seen[-1] == OnlineUser(erased=True)
        assert all(not user.history or user.history == whole.history for user in seen)

    def test_purging_removes_what_came_before_and_keeps_what_came_after(self, store: OnlineStore) -> None:
        hidden = store.privacy.hide(["ann"], "job-1", b"")
        store.append([event("new")])
        through = hidden.through
        kept = [e for e in read_all(store) if e.entry.user_id != "ann" or e.offset > through["ann"]]
        assert store.privacy.purge(through) == 7
        assert read_all(store) == kept
        assert store.privacy.purge(through) == 0
        store.append([event("newer")])
        assert [e.entry.item_id for e in of_ann(store)] == ["item-new", "item-newer"]

    def test_purging_an_empty_log_is_no_error(self, store: OnlineStore) -> None:
        move_on(store)
        assert store.privacy.purge({"ann": 1 << 50}) == 0
        store.append([event("new")])
        assert len(read_all(store)) == 1

    def test_tombstones_are_hashes_with_offsets(self, store: OnlineStore) -> None:
        hidden = store.privacy.hide(["ann"], "job-1", b"")
        [(subject, offset)] = tombstones(store).items()
        assert (len(subject), offset) == (16, hidden.through["ann"])
        assert tombstones(store, offset + 1) == {}

    def test_another_key_is_refused(self, store: OnlineStore, address: str, monkeypatch: pytest.MonkeyPatch) -> None:
        store.privacy.hide(["ann"], "job-1", b"")
        monkeypatch.setenv("SHOAL_PRIVACY_KEY", "77" * 32)
        other: OnlineStore = self.store_type(address)
        for call in (
            lambda: other.users(["ann"]),
            lambda: other.privacy.hide(["bob"], "job-2", b""),
            lambda: other.privacy.keep_sealed({b"s" * 16: b""}),
        ):
            with pytest.raises(StoreError, match="another privacy key"):
                call()
        other.close()

    def test_a_job_is_kept_until_it_ends(self, store: OnlineStore) -> None:
        store.privacy.hide(["ann"], "b", b"1")
        store.privacy.note_job("a", b"2")
        store.privacy.note_job("b", b"3")
        assert list(store.privacy.jobs().items()) == [("a", b"2"), ("b", b"3")]
        store.privacy.end_job("a")
        store.privacy.end_job("never there")
        assert store.privacy.jobs() == {"b": b"3"}

    def test_who_refuses_leaves_no_profile_and_no_id(self, store: OnlineStore) -> None:
        assert set_consent(store, ["ann"], False) == 1
        assert set_consent(store, ["ann"], False) == 0
        assert store.users(["ann"]) == [OnlineUser(country="NO", personalization=False)]
        before = read_all(store)
        assert store.append([event("x", session_id="s", recommendation_id="r", device="d", country="SE")]) == [True]
        assert store.append([event("x")]) == [False]
        store.append_exposures([exposure(2)])
        [interaction, shown] = [e.entry for e in read_all(store) if e not in before]
        assert isinstance(shown, Exposure)
        assert {interaction.user_id, shown.user_id} == {ANONYMOUS_ID}
        assert interaction.item_id == "item-x"
        text = repr(interaction)
        assert "event-x" not in text
        assert "ann" not in text
        assert "session_id=None, recommendation_id=None, position=None, country='SE', device=None" in text
        assert store.users(["ann", ANONYMOUS_ID]) == [OnlineUser(country="NO", personalization=False), OnlineUser()]

    def test_warming_keeps_to_a_refusal(self, store: OnlineStore) -> None:
        set_consent(store, ["ann"], False)
        history = (HistoryEvent("old", EventType.CLICK, 1),)
        store.warm({"ann": OnlineUser(history, "SE", {"age": "9"}), "cid": OnlineUser(history)})
        assert store.users(["ann"]) == [OnlineUser(country="NO", personalization=False)]
        assert items(store, "cid") == ["old"]

    def test_warming_brings_nobody_back(self, store: OnlineStore) -> None:
        """Between the two steps of an erasure the lake still holds the user."""
        store.privacy.hide(["ann"], "job-1", b"")
        history = (HistoryEvent("old", EventType.CLICK, 1),)
        store.warm({"ann": OnlineUser(history, "SE", {"age": "9"}), "cid": OnlineUser(history)})
        assert store.users(["ann"]) == [OnlineUser(erased=True)]
        assert items(store, "cid") == ["old"]

    @pytest.mark.parametrize("way", ["put", "patch", "quiet"])
    def test_however_a_profile_says_so_it_is_a_refusal(self, store: OnlineStore, way: str) -> None:
        if way == "patch":
            catalogue.put(store.catalogue, Kind.USER, [("ann", UserEntry(country="DK"))])
            catalogue.patch(store.catalogue, Kind.USER, "ann", {"personalization": False})
        else:
            entry = UserEntry(country="DK", attributes={"age": 9}, personalization=False)
            store.catalogue.write(Kind.USER, [catalogue.edit("ann", entry, quiet=way == "quiet")])
        refused = OnlineUser(country="DK", personalization=False)
        assert store.users(["ann"]) == [refused]
        before = read_all(store)
        store.append([event("x")])
        assert [e.entry.user_id for e in read_all(store) if e not in before] == [ANONYMOUS_ID]
        assert store.users(["ann"]) == [refused]
        catalogue.put(store.catalogue, Kind.USER, [("ann", UserEntry(personalization=True))])
        store.append([event("y")])
        assert items(store) == ["item-y"]

    def test_what_is_refused_of_who_refuses_is_kept_without_the_record(self, store: OnlineStore) -> None:
        set_consent(store, ["ann"], False)
        before = read_all(store)
        store.append_rejected([bad_record("ann"), bad_record("bob")])
        kept = [e.entry for e in read_all(store) if e not in before]
        assert sorted((e.user_id, "ann" in e.record) for e in kept) == [("", False), ("bob", False)]

    def test_a_profile_and_its_change_go_with_the_user(self, store: OnlineStore) -> None:
        for user in ("ann", "bob"):
            catalogue.put(store.catalogue, Kind.USER, [(user, UserEntry(country="NO", attributes={"age": 9}))])
        assert store.privacy.hide(["ann"], "job-1", b"").entries["profile"] == 1
        [gone, there] = store.catalogue.get(Kind.USER, ["ann", "bob"])
        assert gone is None
        assert there is not None
        assert [change.id for change in store.catalogue.changes(Kind.USER, 0, 10)] == ["bob"]

    def test_counters_go_with_the_user_and_do_not_come_back(self, store: OnlineStore) -> None:
        count(store, 3_600, 5, lambda _: None)
        before = store.item_counts(["item-ann-0"])
        assert store.user_counts(["ann"]) == [{"click": 5, "hide": 1, "shown": 1}]
        store.append([event("late")])
        assert store.privacy.hide(["ann"], "job-1", b"").entries["counters"] == 1
        store.append([event("new")])
        count(store, 3_600, 5, lambda _: None)
        assert store.user_counts(["ann", "bob"]) == [{"click": 1}, {"click": 5, "hide": 1}]
        assert store.item_counts(["item-ann-0"]) == before

    def test_what_was_read_before_an_erasure_is_not_counted_after_it(self, store: OnlineStore) -> None:
        counting = Counting(store, 3_600)
        partition = partition_of("ann", store.log.num_partitions())

        def lease() -> Lease:
            store.privacy.hide(["ann"], "job-1", b"")
            return store.leases.hold(Job.TRENDING, [partition], "slow", 5)[0]

        assert counting.step(partition, lease) is None
        assert store.user_counts(["ann"]) == [{}]

    def test_dead_letters_are_dropped_for_good(self, store: OnlineStore) -> None:
        letters = [DeadLetter(0, n, 9, b"{}", "unknown", False) for n in (1, 2, 3)]
        store.log.bury(letters)
        assert store.log.drop(letters[:2]) == 2
        assert store.log.drop(letters[:2]) == 0
        assert store.log.dead_letters(10) == letters[2:]

    def test_a_record_that_names_a_user_is_purged_from_any_partition(self, store: OnlineStore) -> None:
        before = read_all(store)
        for sender in ("", "bob", "cid", "dan"):
            store.append_rejected([replace(bad_record("ann"), user_id=sender)])
        store.append_rejected([bad_record("anna")])
        hidden = store.privacy.hide(["ann"], "job-1", b"")
        assert store.privacy.purge({"ann": max(hidden.through["ann"], time.time_ns() // 1_000)}) == 7 + 4
        assert len(read_all(store)) == len(before) - 7 + 1

    def test_consent_given_back_starts_anew(self, store: OnlineStore) -> None:
        set_consent(store, ["ann"], False)
        assert set_consent(store, ["ann"], True) == 1
        assert store.users(["ann"]) == [OnlineUser(country="NO", personalization=True)]
        store.append([event("again", at_s=9)])
        assert items(store) == ["item-again"]

    def test_an_erasure_forgets_the_refusal_and_sealed_texts(self, store: OnlineStore) -> None:
        subject = next(iter(_subject_of(store, "ann")))
        set_consent(store, ["ann"], False)
        store.privacy.keep_sealed({subject: b"sealed"})
        assert store.privacy.sealed([subject]) == [b"sealed"]
        hidden = store.privacy.hide(["ann"], "job-2", b"")
        assert {name: hidden.entries[name] for name in ("consent", "profile", "email")} == {
            "consent": 1, "profile": 1, "email": 1,
        }  # fmt: skip
        assert store.privacy.sealed([subject]) == [None]
        assert store.users(["ann"]) == [OnlineUser(erased=True)]

    def test_thousands_at_once(self, store: OnlineStore) -> None:
        ids = [f"user-{n}" for n in range(1_000)]
        store.warm({user_id: OnlineUser(country="SE") for user_id in ids})
        assert store.privacy.hide(ids, "job-1", b"").entries["country"] == 1_000
        assert {u.country for u in store.users(ids)} == {None}
        assert {e.user_id for e in logged(store)} == {"ann", "bob"}


def bad_record(user_id: str) -> Rejected:
    return Rejected(
        quarantine_id=f"bad-{user_id}", table="interactions", source_file="POST", reason="item_id: is missing",
        record=f'{{"user_id": "{user_id}"}}', user_id=user_id, timestamp=START,
    )  # fmt: skip


def _subject_of(store: OnlineStore, user_id: str) -> dict[bytes, int]:
    store.privacy.hide([user_id], "job-1", b"")
    return tombstones(store)


def tombstones(store: OnlineStore, since: int = 0) -> dict[bytes, int]:
    return {s: n for p in range(store.log.num_partitions()) for s, n in store.privacy.tombstones(p, since).of.items()}


def of_ann(store: OnlineStore) -> list[Any]:
    return [e for e in read_all(store) if e.entry.user_id == "ann"]


def move_on(store: OnlineStore, num: int = 1_000) -> None:
    """The first `num` entries of each partition are done with."""
    count(store, 3_600, 5, lambda _: None)
    for partition in range(store.log.num_partitions()):
        if entries := store.log.read(partition, 0, num):
            store.log.advance(partition, entries[-1].offset)
            store.log.trim(partition)
