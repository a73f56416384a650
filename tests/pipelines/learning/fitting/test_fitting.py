"""Every fitted recipe finds the one right answer of the checkerboard world, for users it has seen and for others."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_matrix, identity
from sklearn.feature_extraction.text import TfidfVectorizer

from models.errors import ConfigError
from models.events import EventType
from models.index.vector_index import VectorIndex
from models.model_config import AlsConfig, ItemKnnConfig
from models.recommender import Recommender
from models.retrievers.content import load_content
from models.retrievers.loading import INDEX_FILE
from models.user_state import HistoryEvent, UserState
from pipelines.learning.data.split import CONTEXT, TEST, TRAIN, VALIDATION
from pipelines.learning.fitting.als import scaled
from pipelines.learning.fitting.fitting import fit
from pipelines.learning.fitting.item_knn import scaled as scaled_knn
from pipelines.learning.fitting.item_knn import similar_items
from pipelines.learning.fitting.item_texts import ItemTexts
from pipelines.learning.fitting.material import Material, interaction_matrix, pairs_of
from pipelines.learning.fitting.text_encoders import _TOKEN, make_encoder
from pipelines.recipes import load_recipe
from tests.models.retrievers.user_batches import users
from tests.pipelines.learning.checkerboard import SIZE, item, user
from tests.pipelines.learning.fitting.materials import TITLES, checkerboard, fitted

RECIPES = ["als", "item_knn", "content", "bm25", "tfidf"]
ROOT = Path(__file__).resolve().parents[4]


def state(user_id: str, rows: Sequence[int]) -> UserState:
    history = tuple(HistoryEvent(item(n), EventType.CLICK, n) for n in rows)
    return UserState(user_id, datetime(2026, 2, 1, tzinfo=UTC), history)


def half(n: int) -> list[int]:
    """All items of user n's half but item n."""
    return [i for i in range(SIZE) if i % 2 == n % 2 and i != n]


@pytest.fixture(scope="module", params=RECIPES)
def recommender(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Recommender:
    settings = [f"model.similarity={request.param}"] if request.param in ("bm25", "tfidf") else []
    recipe = load_recipe("item_knn" if settings else request.param, settings)
    return fitted(recipe, checkerboard(), tmp_path_factory.mktemp(request.param))


def test_the_withheld_item_is_the_answer_for_known_users_and_strangers(recommender: Recommender) -> None:
    everyone = [state(user(n) if n % 4 < 2 else f"stranger-{n}", half(n)) for n in range(SIZE)]
    found = recommender.retrieve(everyone, 1, [u.seen for u in everyone])
    assert [recommender.items.ids[f.item_rows[0]] for f in found] == [item(n) for n in range(SIZE)]


def test_someone_of_no_history_gets_no_candidates_and_a_stranger_is_known_as_one(recommender: Recommender) -> None:
    [none] = recommender.retrieve([state(user(0), [])], 10, [set()])
    assert len(none) == 0
    assert recommender.has_signal(state("stranger", [2]))
    assert not recommender.has_signal(state("stranger", []))


def test_alike_are_items_of_one_half(recommender: Recommender) -> None:
    [found] = recommender.similar([item(4)], 10)
    assert {row % 2 for row in found.item_rows} == {0}
    assert recommender.causes(state(user(0), [1, 2, 3]), np.asarray([4, 5]))[0] == item(2)


def test_pairs_score_as_the_search_does(recommender: Recommender) -> None:
    ann = state("ann", [0, 2, 4])
    [found] = recommender.retrieve([ann], 5, [ann.seen])
    [scores] = recommender.score_pairs([ann], [[recommender.items.ids[row] for row in found.item_rows]])
    np.testing.assert_allclose(scores, found.scores, rtol=1e-4)


def test_a_seed_repeats_a_fit_to_the_byte(tmp_path: Path) -> None:
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        fit(load_recipe("als"), checkerboard(), tmp_path / name)
    for path in (tmp_path / "one").iterdir():
        one, other = path.read_bytes(), (tmp_path / "other" / path.name).read_bytes()
        if path.name == "index.json":  # how long it took is the one thing that may differ
            one, other = ({**json.loads(data), "build_s": 0} for data in (one, other))
        assert one == other


def test_serving_needs_none_of_the_libraries_that_fitted() -> None:
    families = ", ".join(f"models.retrievers.{name}" for name in ("als", "item_knn", "content"))
    code = f"import sys; import {families}; sys.exit(bool({{'implicit', 'sklearn', 'torch'}} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_only_training_events_are_pairs() -> None:
    lists = np.empty(2, object)
    lists[:] = [np.asarray([5, 6, 7, 8], np.int32), np.asarray([5], np.int32)]
    labels = np.empty(2, object)
    labels[:] = [np.asarray([TRAIN, CONTEXT, VALIDATION, TEST]), np.asarray([TRAIN])]
    pairs = pairs_of({"user_row": np.asarray([3, 1]), "item_rows": lists, "labels": labels})
    assert {name: values.tolist() for name, values in pairs.items()} == {"user_row": [3, 1], "item_row": [5, 5]}


def test_a_pair_given_twice_is_one() -> None:
    blocks = [{"user_row": np.asarray(u), "item_row": np.asarray(i)} for u, i in (([1, 0], [2, 0]), ([1], [2]))]
    assert interaction_matrix(blocks, (2, 3)).toarray().tolist() == [[1, 0, 0], [0, 0, 1]]
    assert interaction_matrix([], (2, 3)).nnz == 0


class Letters:
    """A sentence encoder: how often each letter of the alphabet stands in a text."""

    def __init__(self, alphabet: str = "abcdefghijklmnopqrstuvwxyz") -> None:
        self._alphabet = alphabet

    def encode(self, texts: list[str]) -> list[list[float]]:
        return [[1.0 + text.lower().count(letter) for letter in self._alphabet] for text in texts]


def test_a_sentence_encoder_of_ones_own(tmp_path: Path) -> None:
    recipe = load_recipe("content", [f"model.encoder={__name__}:Letters", "model.encoder_path=evnod"])
    recommender = fitted(recipe, checkerboard(["", *TITLES[1:]]), tmp_path)
    ann = state("ann", half(2)[1:])
    [found] = recommender.retrieve([ann], SIZE, [ann.seen])
    # Item 0 has no text, so what the encoder says of an empty one counts for nothing.
    assert found.item_rows[0] == 2
    assert found.item_rows[-1] == 0


@pytest.mark.parametrize("encoder", ["nowhere:Model", "json:Model", "json"])
def test_an_encoder_that_is_not_there_is_named(encoder: str) -> None:
    with pytest.raises(ConfigError, match=f"model.encoder '{encoder}' cannot be loaded"):
        make_encoder(load_recipe("content", [f"model.encoder={encoder}"]).model, 1)


def test_labels_outweigh_words_and_nothing_said_is_zero() -> None:
    encoder = make_encoder(load_recipe("content", ["model.label_weight=3"]).model, 1)
    texts = ItemTexts(
        ["the red house", "the red garden", "a blue house", ""],
        [["category war"], ["category love"], ["category war"], []],
    )
    vectors = encoder.encode(texts)
    assert vectors[0] @ vectors[2] > vectors[0] @ vectors[1] > 0
    assert not vectors[3].any()
    assert encoder.encode(ItemTexts(["", "x"], [[], []])).tolist() == [[0.0], [0.0]]


@pytest.mark.parametrize(
    "titles",
    [("紅い車", "紅い靴", "蒼い空"), ("รถแดง", "เสื้อแดง", "หมวกเขียว"), ("red car", "red shoe", "blue sky")],
)
def test_likeness_of_texts_needs_no_spaces(titles: tuple[str, ...]) -> None:
    vectors = make_encoder(load_recipe("content").model, 1).encode(ItemTexts(list(titles), [[]] * 3))
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2]


def test_words_between_spaces_are_whole() -> None:
    words = TfidfVectorizer(token_pattern=_TOKEN).build_analyzer()
    assert words("A naïve x-ray of 2026, 紅いcar") == ["naïve", "ray", "of", "2026", "紅", "い", "car"]


def test_content_learns_which_words_matter(tmp_path: Path) -> None:
    """One word in four tells the half of an item; the others, shared across halves, tell nothing. Half are new."""
    num_users, num_items = 60, 400
    rng = np.random.default_rng(3)
    noise = [f"noise{n}" for n in rng.integers(0, 10, num_items)]
    words = [f"{('even', 'odd')[n % 2]} {noise[n]} {noise[n]}x {noise[n]}y" for n in range(num_items)]
    had = rng.random((num_users, num_items)) < 0.3
    had &= np.arange(num_users)[:, None] % 2 == np.arange(num_items) % 2
    had[:, num_items // 2 :] = False
    material = Material(csr_matrix(had.astype(np.float32)), None, lambda: ItemTexts(words, [[]] * num_items))  # type: ignore[arg-type]
    shares = []
    for supervised in ("true", "false"):
        fit(load_recipe("content", [f"model.supervised={supervised}"]), material, tmp_path)
        shares.append(share_of_own_half(tmp_path, had))
    assert shares[0] == 1.0 > shares[1]


def share_of_own_half(folder: Path, had: np.ndarray) -> float:
    """Share of new items of the user's own half among the first ten new ones."""
    retriever = load_content(folder, VectorIndex.load(folder / INDEX_FILE))
    batch = users(*(np.flatnonzero(row).tolist() for row in had), length=100)
    rows, _ = retriever.search(batch, had.shape[1])
    new = [line[line >= had.shape[1] // 2][:10] for line in rows]
    return float(np.mean([line % 2 == n % 2 for n, line in enumerate(new)]))


def test_settings_follow_the_size_of_the_data() -> None:
    # MovieLens-1M: 10^6 events, density 0.045: root 1,000 / 4, 0.7 / 0.211 and 0.2 / 31.6.
    config = scaled(AlsConfig(), random_pairs(6_040, 3_706, 1_000_000))
    assert (config.factors, round(config.alpha, 1), round(config.regularization, 4)) == (248, 3.3, 0.0063)
    # A sparser set of as many events: absence weighs less.
    assert scaled(AlsConfig(), random_pairs(30_000, 41_000, 1_000_000)).alpha > 20
    assert scaled(AlsConfig(), random_pairs(40, 4_000, 100_000)).factors == 10
    given = AlsConfig(factors=7, regularization=0.5, alpha=2.0)
    assert scaled(given, random_pairs(40, 40, 800)) == given
    assert scaled(AlsConfig(), csr_matrix((0, 5))).factors == 1


def test_one_shared_user_proves_little() -> None:
    """Items 0 and 1 share their only user; items 2 and 3 share 20 of 21. Unshrunk, the first two are the more alike."""
    had = np.zeros((23, 4), np.float32)
    had[0, :2] = 1
    had[1:22, 2] = had[2:23, 3] = 1
    for shrinkage, expected in ((0.0, (1.0, 20 / 21)), (10.0, (1 / 11, 20 / 31))):
        found = similar_items(ItemKnnConfig("cosine", 3, shrinkage=shrinkage), csr_matrix(had), 1)
        np.testing.assert_allclose((found[0, 1], found[2, 3]), expected, rtol=1e-5)


def test_the_items_decide_what_is_near() -> None:
    few = scaled_knn(ItemKnnConfig(), random_pairs(100, 50, 400))
    assert (few.similarity, few.num_neighbours, few.regularization) == ("ease", 300, 6.0)
    many = scaled_knn(ItemKnnConfig(), identity(13_000, format="csr"))
    assert (many.similarity, many.num_neighbours) == ("tfidf", 100)
    given = ItemKnnConfig("bm25", 7, 0.5)
    assert scaled_knn(given, random_pairs(100, 50, 400)) == given


def test_what_is_recent_needs_an_order() -> None:
    assert not load_recipe("item_knn").needs_order
    assert load_recipe("item_knn", ["model.recency_half_life=5"]).needs_order


def random_pairs(num_users: int, num_items: int, num_events: int) -> csr_matrix:
    """So many pairs, whichever."""
    at = np.arange(num_events, dtype=np.int64) * (num_users * num_items // num_events)
    return csr_matrix((np.ones(num_events, np.float32), np.divmod(at, num_items)), (num_users, num_items))
