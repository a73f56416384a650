"""A loaded bundle: what it answers, and what it refuses to be."""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.torch import load_file, save_file

from models.candidates import Candidates
from models.errors import BundleError
from models.features import FeatureSpec
from models.index.vector_index import VectorIndex
from models.manifest import hash_files, verify_files
from models.nets.two_tower_inputs import TOWER_USER_FEATURES
from models.recommender import Recommender
from models.retrievers.loading import INDEX_FILE
from models.retrievers.two_tower import TWO_TOWER
from models.user_state import UserState
from tests.models.tiny_bundle import ITEMS, SPEC, user, write_bundle

FILES = [
    "features.json",
    "index.faiss",
    "items.parquet",
    "popular.parquet",
    "ranker.json",
    "ranker.safetensors",
    "retriever.json",
    "two_tower.json",
    "two_tower.safetensors",
    "users.parquet",
]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_bundle(tmp_path_factory.mktemp("bundle"), ranker_weight=0.5)


@pytest.fixture(scope="module")
def recommender(bundle: Path) -> Recommender:
    return Recommender.load(bundle, "v1", SPEC.digest())


@pytest.fixture
def copied(bundle: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(bundle, tmp_path / "copy"))


def ids(recommender: Recommender, candidates: Candidates) -> list[str]:
    return [recommender.items.ids[row] for row in candidates.item_rows]


def test_retrieve_is_the_whole_catalogue_in_order_of_score(recommender: Recommender) -> None:
    ann = user("ann", "item-1")
    [found] = recommender.retrieve([ann], 10, [set()])
    products = recommender.item_vectors() @ recommender.user_vectors([ann])[0]
    assert found.item_rows.tolist() == np.argsort(-products).tolist()
    np.testing.assert_allclose(found.scores, -np.sort(-products), rtol=1e-5)


def test_excluded_items_never_appear_and_others_take_their_place(recommender: Recommender) -> None:
    users = [user("ann"), user("bob")]
    ann, bob = recommender.retrieve(users, 4, [{"item-0", "item-5", "not an item"}, set()])
    assert len(ann) == 4
    assert set(ids(recommender, ann)) == {"item-1", "item-2", "item-3", "item-4"}
    assert len(bob) == 4


def test_only_what_is_allowed_appears(recommender: Recommender) -> None:
    users = [user("ann"), user("bob")]
    allowed = np.asarray([name in {"item-1", "item-3", "item-5"} for name in ITEMS])
    ann, bob = recommender.retrieve_batch(recommender.batch(users), 4, [recommender.rows({"item-3"})] * 2, allowed)
    assert set(ids(recommender, ann)) == set(ids(recommender, bob)) == {"item-1", "item-5"}


def test_a_batch_answers_as_each_user_alone(recommender: Recommender) -> None:
    users = [user("ann", "item-1", "item-2"), user("stranger"), user("bob", "item-5", country="DE")]
    together = recommender.rank(users, recommender.retrieve(users, 5, [set()] * 3))
    for one, expected in zip(users, together, strict=True):
        [alone] = recommender.rank([one], recommender.retrieve([one], 5, [set()]))
        assert alone.item_rows.tolist() == expected.item_rows.tolist()
        np.testing.assert_allclose(alone.scores, expected.scores, rtol=1e-4, atol=1e-5)


def test_nobody_gets_nothing(recommender: Recommender) -> None:
    assert recommender.retrieve([], 5, []) == []
    assert recommender.rank([], []) == []


def test_the_scores_of_pairs_are_the_scores_of_ranking(recommender: Recommender) -> None:
    ann = user("ann", "item-3")
    [ranked] = recommender.rank([ann], recommender.retrieve([ann], 6, [set()]))
    [scores] = recommender.score_pairs([ann], [ids(recommender, ranked)])
    np.testing.assert_allclose(scores, ranked.scores, rtol=1e-4, atol=1e-5)
    assert (np.diff(scores) <= 0).all()


def test_the_score_of_an_unknown_item_is_nan(recommender: Recommender) -> None:
    scores, none = recommender.score_pairs([user("ann"), user("bob")], [["item-1", "nothing"], []])
    assert np.isnan(scores).tolist() == [False, True]
    assert none.shape == (0,)


def test_a_ranker_of_weight_zero_changes_nothing(copied: Path) -> None:
    body = json.loads((copied / "ranker.json").read_text())
    (copied / "ranker.json").write_text(json.dumps({**body, "weight": 0.0}))
    recommender = Recommender.load(copied, "v1")
    found = recommender.retrieve([user("ann")], 6, [set()])
    assert recommender.rank([user("ann")], found)[0].item_rows.tolist() == found[0].item_rows.tolist()


def test_similar_leaves_the_item_itself_out(recommender: Recommender) -> None:
    first, unknown, last = recommender.similar(["item-0", "nothing", "item-5"], 3)
    assert len(first) == 3
    assert "item-0" not in ids(recommender, first)
    assert "item-5" not in ids(recommender, last)
    assert len(unknown) == 0


def test_popular_by_country_and_never_empty(recommender: Recommender) -> None:
    assert ids(recommender, recommender.popular("DE", 2)) == ["item-4", "item-0"]
    assert ids(recommender, recommender.popular(None, 1)) == ["item-0"]
    assert ids(recommender, recommender.popular(None, 1, {"item-0"})) == ["item-4"]
    assert len(recommender.popular("DE", 3, set(ITEMS))) == 3


def test_signal_is_a_known_id_or_a_known_liked_item(recommender: Recommender) -> None:
    assert recommender.has_signal(user("ann"))
    assert recommender.has_signal(user("stranger", "item-2"))
    assert not recommender.has_signal(user("stranger", "nothing"))
    assert not recommender.has_signal(user("stranger", disliked=["item-2"]))


def test_a_profile_is_a_signal_where_profiles_were_trained_on(recommender: Recommender, copied: Path) -> None:
    stranger = replace(user("stranger"), attributes={"age": "25"})
    assert not recommender.has_signal(stranger)
    weights = load_file(copied / TWO_TOWER)
    weights["user_tower.gates"][TOWER_USER_FEATURES.index("profile")] = 0.5
    save_file(weights, copied / TWO_TOWER)
    trained = Recommender.load(copied, "v1")
    assert trained.has_signal(stranger)
    assert not trained.has_signal(user("stranger"))
    plain, described = trained.user_vectors([user("stranger"), stranger])
    assert np.abs(plain - described).max() > 0


def test_the_cause_of_an_item_is_the_nearest_of_the_history(recommender: Recommender) -> None:
    rows = np.arange(len(ITEMS))
    causes = recommender.causes(user("ann", "item-4", "item-2"), rows)
    assert set(causes) <= {"item-4", "item-2"}
    assert (causes[4], causes[2]) == ("item-4", "item-2")
    assert recommender.causes(user("stranger"), rows) == [None] * len(ITEMS)


def test_a_dislike_is_no_part_of_the_history(recommender: Recommender) -> None:
    plain, disliked = user("ann", "item-1"), user("ann", "item-1", disliked=["item-2"])
    np.testing.assert_array_equal(recommender.user_vectors([plain]), recommender.user_vectors([disliked]))


def test_another_feature_digest_is_refused(bundle: Path) -> None:
    with pytest.raises(BundleError, match="another feature spec"):
        Recommender.load(bundle, "v1", FeatureSpec().digest())


@pytest.mark.parametrize("name", [name for name in FILES if name != "ranker.safetensors"])
def test_a_missing_file_is_refused(copied: Path, name: str) -> None:
    (copied / name).unlink()
    with pytest.raises(BundleError):
        Recommender.load(copied, "v1")


@pytest.mark.parametrize("name", FILES)
def test_a_cut_file_is_refused(copied: Path, name: str) -> None:
    path = copied / name
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(BundleError):
        Recommender.load(copied, "v1")


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("at", [0.0, 0.5, 0.99])
def test_a_flipped_byte_fails_the_hash(copied: Path, name: str, at: float) -> None:
    files = hash_files(copied)
    data = bytearray((copied / name).read_bytes())
    data[int(at * len(data))] ^= 0x01
    (copied / name).write_bytes(data)
    with pytest.raises(BundleError, match=rf"{name} was altered"):
        verify_files(copied, files)


def test_an_index_of_other_items_is_refused(copied: Path) -> None:
    VectorIndex.build(np.zeros((3, 8), np.float32)).save(copied / INDEX_FILE)
    with pytest.raises(BundleError, match="3 vectors for 6 items"):
        Recommender.load(copied, "v1")


def test_weights_of_another_width_are_refused(copied: Path) -> None:
    body = json.loads((copied / "two_tower.json").read_text())
    body["config"]["hidden_dim"] = 16
    (copied / "two_tower.json").write_text(json.dumps(body))
    with pytest.raises(BundleError, match="do not fit"):
        Recommender.load(copied, "v1")


@pytest.mark.parametrize("length", [2, 6])
def test_each_half_has_the_history_it_was_trained_with(copied: Path, length: int) -> None:
    write_bundle(copied, ranker_weight=0.0)
    retrieval = Recommender.load(copied, "v1")
    body = json.loads((copied / "ranker.json").read_text())
    features = asdict(replace(SPEC, history_length=length))
    (copied / "ranker.json").write_text(json.dumps({**body, "weight": 1.0, "features": features}))
    both = Recommender.load(copied, "v2")
    # The newest two events are the same, then the newest four, then all six.
    users = [user("ann", *(ITEMS[n] for n in rows)) for rows in ([0, 1, 2, 3, 4, 5], [1, 0, 2, 3, 4, 5], [3, 0, 4, 5])]
    every = [ITEMS] * len(users)
    before, after = (np.stack(which.score_pairs(users, every)) for which in (retrieval, both))
    ranked = [candidates.scores[np.argsort(candidates.item_rows)] for candidates in both.rank(users, _all(both, users))]
    np.testing.assert_allclose(np.stack(ranked), after, rtol=1e-5)
    np.testing.assert_allclose(both.user_vectors(users), retrieval.user_vectors(users))
    for found, expected in zip(_all(both, users), _all(retrieval, users), strict=True):
        np.testing.assert_allclose(found.scores, expected.scores)
    logits = after - before
    assert np.allclose(before[0], before[1])
    assert not np.allclose(before[0], before[2])
    assert np.allclose(logits[0], logits[2], atol=1e-5) == (length == 2)


def _all(recommender: Recommender, users: list[UserState]) -> list[Candidates]:
    return recommender.retrieve(users, len(ITEMS), [set() for _ in users])
