"""What every online store does for a user's privacy, written once. Each back end's test file names the back end."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any, ClassVar

import pytest

from cluster.online_store import OnlineStore, OnlineUser
from models.errors import StoreError
from models.events import EventType
from models.exposures import Exposure
from models.privacy import ANONYMOUS_ID
from models.user_state import HistoryEvent
from tests.cluster.online_store_suite import event, exposure, items, logged


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
        assert hidden.entries["profile"] == 1
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
        assert store.read_log(hidden.offset, 10)[0].entry.user_id == "ann"
        assert [e.offset > hidden.offset for e in store.read_log(0, 100)].count(True) == 1

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
        kept = [e for e in store.read_log(0, 100) if e.entry.user_id != "ann" or e.offset > hidden.offset]
        assert store.privacy.purge({"ann": hidden.offset}) == 7
        assert store.read_log(0, 100) == kept
        assert store.privacy.purge({"ann": hidden.offset}) == 0
        store.append([event("newer")])
        assert store.read_log(kept[-1].offset, 10)[0].entry.user_id == "ann"

    def test_purging_an_empty_log_is_no_error(self, store: OnlineStore) -> None:
        store.trim_log(store.read_log(0, 100)[-1].offset)
        assert store.privacy.purge({"ann": 1 << 50}) == 0
        store.append([event("new")])
        assert len(store.read_log(0, 100)) == 1

    def test_tombstones_are_hashes_with_offsets(self, store: OnlineStore) -> None:
        hidden = store.privacy.hide(["ann"], "job-1", b"")
        [(subject, offset)] = store.privacy.erased_since(0).items()
        assert (len(subject), offset) == (16, hidden.offset)
        assert store.privacy.erased_since(offset + 1) == {}

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
        assert store.privacy.set_consent(["ann"], False) == 1
        assert store.privacy.set_consent(["ann"], False) == 0
        assert store.users(["ann"]) == [OnlineUser(country="NO", personalization=False)]
        last = store.read_log(0, 100)[-1].offset
        assert store.append([event("x", session_id="s", recommendation_id="r", device="d", country="SE")]) == [True]
        assert store.append([event("x")]) == [False]
        store.append_exposures([exposure(2)])
        [interaction, shown] = [e.entry for e in store.read_log(last, 10)]
        assert isinstance(shown, Exposure)
        assert {interaction.user_id, shown.user_id} == {ANONYMOUS_ID}
        assert interaction.item_id == "item-x"
        text = repr(interaction)
        assert "event-x" not in text
        assert "ann" not in text
        assert "session_id=None, recommendation_id=None, position=None, country='SE', device=None" in text
        assert store.users(["ann", ANONYMOUS_ID]) == [OnlineUser(country="NO", personalization=False), OnlineUser()]

    def test_warming_keeps_to_a_refusal(self, store: OnlineStore) -> None:
        store.privacy.set_consent(["ann"], False)
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

    def test_consent_given_back_starts_anew(self, store: OnlineStore) -> None:
        store.privacy.set_consent(["ann"], False)
        assert store.privacy.set_consent(["ann"], True) == 1
        assert store.privacy.held("ann").personalization is None
        store.append([event("again", at_s=9)])
        assert items(store) == ["item-again"]

    def test_an_erasure_forgets_the_refusal_and_sealed_texts(self, store: OnlineStore) -> None:
        subject = next(iter(_subject_of(store, "ann")))
        store.privacy.set_consent(["ann"], False)
        store.privacy.keep_sealed({subject: b"sealed"})
        assert store.privacy.held("ann").sealed == b"sealed"
        hidden = store.privacy.hide(["ann"], "job-2", b"")
        assert (hidden.entries["consent"], hidden.entries["email"]) == (1, 1)
        held = store.privacy.held("ann")
        assert (held.personalization, held.sealed) == (None, None)

    def test_thousands_at_once(self, store: OnlineStore) -> None:
        ids = [f"user-{n}" for n in range(1_000)]
        store.warm({user_id: OnlineUser(country="SE") for user_id in ids})
        assert store.privacy.hide(ids, "job-1", b"").entries["profile"] == 1_000
        assert {u.country for u in store.users(ids)} == {None}
        assert {e.user_id for e in logged(store)} == {"ann", "bob"}


def _subject_of(store: OnlineStore, user_id: str) -> dict[bytes, int]:
    store.privacy.hide([user_id], "job-1", b"")
    return store.privacy.erased_since(0)
