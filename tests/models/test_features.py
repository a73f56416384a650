"""The features by worked examples: what training and serving both look up."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from models.features import (
    FeatureSpec,
    ItemFeatures,
    UserBatch,
    collapse,
    context_features,
    dense_features,
    item_features,
    item_side,
    pad_history,
    user_features,
)
from models.profiles import MAX_ATTRIBUTES
from models.vocabulary import hash_bucket

DAY_US = 86_400_000_000
SPEC = FeatureSpec(history_length=3, recent_length=2, category_buckets=1_000)


def two_users() -> UserBatch:
    """The first saw items 0 and 1 and is asked for on day 12; the second is new."""
    return UserBatch(
        user=np.asarray([4, 9]),
        country=np.asarray([1, 0]),
        history=np.asarray([[-1, 0, 1], [-1, -1, -1]], np.int32),
        now_us=np.asarray([12 * DAY_US, 12 * DAY_US]),
        profile=SPEC.profiles([{"age": "25"}, {}]),
    )


def three_items() -> ItemFeatures:
    """Item 0: drama. Item 1: drama and war, released on day 5. Item 2: no category or title, released after all."""
    return item_features(
        SPEC,
        [["drama"], ["war", "drama"], []],
        counts=np.asarray([0, 9, 99]),
        released_us=np.asarray([-1, 5 * DAY_US, 20 * DAY_US]),
        titles=pl.Series(["Love", "Love and war", None]),
    )


def test_user_side_as_values_and_lengths() -> None:
    features = user_features(two_users(), SPEC.recent_length)
    as_lists = {name: (f.values.tolist(), f.lengths.tolist()) for name, f in features.items()}
    assert as_lists == {
        "user": ([4, 9], [1, 1]),
        "country": ([1, 0], [1, 1]),
        "history": ([0, 1], [2, 0]),
        "recent": ([0, 1], [2, 0]),
        "last": ([1], [1, 0]),
    }


def test_item_side_as_values_and_lengths() -> None:
    drama, war = SPEC.categories(["drama"])[0], SPEC.categories(["war"])[0]
    side = item_side("item", three_items(), np.asarray([1, 2, 0]))
    assert side["item"].values.tolist() == [1, 2, 0]
    assert side["item_categories"].values.tolist() == [*sorted([drama, war]), drama]
    assert side["item_categories"].lengths.tolist() == [2, 0, 1]


def test_words_of_an_item_are_those_of_its_title() -> None:
    words = three_items().words_of(np.asarray([1, 2, 0]))
    assert words.values.tolist() == [hash_bucket(word, SPEC.word_buckets) for word in ("love", "and", "war", "love")]
    assert words.lengths.tolist() == [3, 0, 1]
    without = item_features(SPEC, [["drama"]], np.asarray([0]), np.asarray([-1]))
    assert without.words_of(np.asarray([0])).lengths.tolist() == [0]


def test_a_profile_is_a_bucket_an_attribute_in_order_of_name() -> None:
    buckets = [hash_bucket(pair, SPEC.profile_buckets) for pair in ("age=25", "gender=F")]
    profile = SPEC.profiles([{"gender": "F", "age": "25"}, {}])
    assert profile.shape == (2, MAX_ATTRIBUTES)
    assert profile[0].tolist() == [*buckets, *[-1] * (MAX_ATTRIBUTES - 2)]
    assert (profile[1] == -1).all()
    many = SPEC.profiles([{f"{n:02}": "x" for n in range(MAX_ATTRIBUTES + 3)}])
    assert many[0, -1] == hash_bucket(f"{MAX_ATTRIBUTES - 1}=x", SPEC.profile_buckets)


def test_the_users_taken_keep_their_profile() -> None:
    assert two_users().take(np.asarray([1, 0])).profile[:, 0].tolist() == [-1, two_users().profile[0, 0]]


def test_a_spec_takes_every_number_of_buckets_of_another() -> None:
    other = FeatureSpec(99, 9, user_buckets=2, country_buckets=3, category_buckets=4, profile_buckets=5, word_buckets=6)
    assert SPEC.with_buckets_of(other) == replace(other, history_length=3, recent_length=2)


def test_dense_features_of_one_pair_by_hand() -> None:
    # User 0 with item 1: two events; count 9; 12 − 5 days old; of their two events both are drama, one is war.
    row = dense_features(two_users(), three_items(), np.asarray([1, 1]))[0]
    assert row == pytest.approx([math.log(3), math.log(10), math.log(8) / 5, (2 / 2 + 1 / 2) / 2])


def test_dense_features_of_a_new_user_and_an_unreleased_item() -> None:
    row = dense_features(two_users(), three_items(), np.asarray([0, 2]))[1]
    assert row == pytest.approx([0, math.log(100), 0, 0])


def test_popularity_as_of_a_moment_takes_the_place_of_the_total() -> None:
    as_of = np.asarray([0.5, 0.25], np.float32)
    made = dense_features(two_users(), three_items(), np.asarray([1, 1]), as_of)
    plain = dense_features(two_users(), three_items(), np.asarray([1, 1]))
    assert made[:, 1].tolist() == [0.5, 0.25]
    assert np.delete(made, 1, axis=1).tolist() == np.delete(plain, 1, axis=1).tolist()


def test_an_absent_field_of_context_looks_nothing_up() -> None:
    made = context_features(np.asarray([[3, -1], [4, 5]], np.int32))
    assert {name: (f.values.tolist(), f.lengths.tolist()) for name, f in made.items()} == {
        "context_0": ([3, 4], [1, 1]),
        "context_1": ([5], [0, 1]),
    }


def test_dense_features_of_nobody() -> None:
    nobody = two_users().take(slice(0))
    assert dense_features(nobody, three_items(), np.zeros(0, np.int64)).shape == (0, 4)


def test_repeats_in_a_row_are_one_step() -> None:
    assert collapse([7, 7, 3, 7, 7, 7]) == [7, 3, 7]
    assert collapse([]) == []


def test_a_history_keeps_its_newest_and_is_padded_in_front() -> None:
    assert pad_history([5], 3).tolist() == [-1, -1, 5]
    assert pad_history([1, 2, 3, 4], 3).tolist() == [2, 3, 4]
    assert pad_history([], 2).tolist() == [-1, -1]


def test_a_history_of_length_zero_is_no_feature() -> None:
    assert pad_history([1, 2], 0).tolist() == []


def test_the_digest_tells_specs_apart() -> None:
    assert FeatureSpec().digest() == FeatureSpec().digest()
    assert FeatureSpec(history_length=49).digest() != FeatureSpec().digest()


def test_the_unknown_country_has_a_bucket_of_its_own() -> None:
    assert SPEC.country(None) == 0
    assert all(1 <= SPEC.country(code) < SPEC.country_buckets for code in ("DE", "FR", "US", "??"))


def test_pairs_of_one_user_are_as_if_the_user_stood_beside_each() -> None:
    owner, items = np.asarray([1, 0, 1, 1]), np.asarray([2, 0, 1, 0])
    pairs = dense_features(two_users(), three_items(), items, owner=owner)
    assert pairs.tolist() == dense_features(two_users().take(owner), three_items(), items).tolist()
