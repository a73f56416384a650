"""Who validates: up to a number of users, each counting the same."""

from __future__ import annotations

import pytest

from pipelines.learning.data.split import TEST, TRAIN, VALIDATION
from pipelines.learning.preparing import validating
from tests.pipelines.learning.blocks import lists

BLOCK = {
    "item_rows": lists([1, 2, 3, 4], [5], [6, *range(10, 17)], [7, 7]),
    "labels": lists([TRAIN, VALIDATION, VALIDATION, TEST], [TRAIN], [TRAIN, *[VALIDATION] * 7], [TRAIN, VALIDATION]),
}


@pytest.mark.parametrize(
    ("room", "kept"), [(3, [2, 5, 1]), (2, [2, 5, 0]), (1, [2, 0, 0])], ids=["all", "two users", "one user"]
)
def test_users_count_alike(room: int, kept: list[int]) -> None:
    mask, weights, _ = validating(BLOCK, "time", room)
    assert mask.tolist() == [n < k for k, total in zip(kept, (2, 7, 1), strict=True) for n in range(total)]
    assert weights == pytest.approx([1 / k for k in kept for _ in range(k)])


def test_what_was_seen_depends_on_the_order() -> None:
    assert [rows.tolist() for rows in validating(BLOCK, "time", 1)[2]] == [[1], [1, 2]]
    assert [rows.tolist() for rows in validating(BLOCK, "none", 1)[2]] == [[1], [1]]
    assert validating(BLOCK, "time", 3)[2][-1].tolist() == []  # never the item itself
