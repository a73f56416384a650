"""What the two towers look up: the features of all nets and, beside them, the moment, the profile and title words."""

from __future__ import annotations

from torchrec import EmbeddingBagCollection

from models.features import USER_FEATURES, ItemFeatures, UserBatch, item_side, user_features
from models.model_config import TableSizes
from models.moments import NUM_MOMENTS, moments
from models.nets.embedding_tables import Table, collection, lookup_keys, shared_tables
from models.ragged import Jagged, unpadded
from models.vocabulary import Rows

TOWER_USER_FEATURES = (*USER_FEATURES, "moment", "profile")
ITEM_SIDES = ("item", "negative")
ITEM_PARTS = ("", "_categories", "_words")
"""What is looked up of an item: the name of its side with each of these behind it."""
TOWER_KEYS = (*lookup_keys(ITEM_SIDES), "moment", "profile", *(f"{side}_words" for side in ITEM_SIDES))
"""Keys of the KeyedJaggedTensor that `tower_tables` take."""
_NEAR_ZERO = 0.02
"""Bound of what may be met in serving and not in training: a row that has learned nothing says next to nothing."""


def tower_tables(sizes: TableSizes, dim: int, device: str = "cpu") -> EmbeddingBagCollection:
    """The tables of all nets, and those of moments, profiles and words."""
    more = {
        "moment_table": Table(NUM_MOMENTS, ["moment"], _NEAR_ZERO),
        "profile_table": Table(sizes.profiles, ["profile"], _NEAR_ZERO),
        "word_table": Table(sizes.words, [f"{side}_words" for side in ITEM_SIDES], _NEAR_ZERO),
    }
    return collection(shared_tables(sizes, ITEM_SIDES) | more, dim, device)


def tower_users(users: UserBatch, recent_length: int) -> dict[str, Jagged]:
    """The user side of every look-up: `TOWER_USER_FEATURES`, each [batch]."""
    beside = {"moment": moments(users.now_us), "profile": unpadded(users.profile)}
    return {**user_features(users, recent_length), **beside}


def tower_items(side: str, features: ItemFeatures, items: Rows) -> dict[str, Jagged]:
    """The look-ups of one of `ITEM_SIDES`, one item an example."""
    return {**item_side(side, features, items), f"{side}_words": features.words_of(items)}
