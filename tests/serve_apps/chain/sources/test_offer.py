"""Offers: several shelves as one list, and the same items by other scores."""

from __future__ import annotations

import numpy as np

from models.candidates import Candidates
from serve_apps.chain.sources.offer import Offer, Shelf, alike


def shelf(reason: str, scores: dict[int, float]) -> Shelf:
    rows, values = np.asarray(list(scores), np.int64), np.asarray(list(scores.values()), np.float32)
    return Shelf(reason, Candidates(rows, values), alike(reason))


def listed(offer: Offer) -> list[tuple[int, float]]:
    return list(zip(offer.candidates.item_rows.tolist(), offer.candidates.scores.tolist(), strict=True))


OFFER = Offer([shelf("a", {7: 4.0, 3: 2.0}), shelf("b", {3: 3.0, 9: 1.0})])


def test_an_item_of_two_shelves_is_there_once_for_its_better_reason() -> None:
    assert listed(OFFER) == [(7, 4.0), (3, 3.0), (9, 1.0)]
    assert OFFER.reasons(np.asarray([9, 3, 7])) == ["b", "b", "a"]
    assert OFFER.reasons(np.zeros(0, np.int64)) == []


def test_other_scores_order_every_shelf() -> None:
    again = OFFER.rescored(np.asarray([3, 7, 9]), np.asarray([0.5, 0.1, 0.9], np.float32))
    assert [one.candidates.item_rows.tolist() for one in again.shelves] == [[3, 7], [9, 3]]
    assert [row for row, _ in listed(again)] == [9, 3, 7]


def test_what_has_no_score_keeps_its_place() -> None:
    some = Offer([shelf("a", {100: 9.0, 1: 5.0, 101: 4.0, 2: 3.0})])
    [one] = some.rescored(np.asarray([1, 2, 55]), np.asarray([10.0, 20.0, 99.0], np.float32)).shelves
    assert one.candidates.item_rows.tolist() == [100, 2, 101, 1]
    assert one.candidates.scores.tolist() == [20, 20, 20, 10]
    [same] = some.rescored(np.asarray([55]), np.asarray([1.0], np.float32)).shelves
    assert same.candidates.item_rows.tolist() == [100, 1, 101, 2]


def test_nothing_is_offered() -> None:
    assert listed(Offer()) == []
    assert listed(Offer().rescored(np.asarray([1]), np.asarray([1.0], np.float32))) == []
