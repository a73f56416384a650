"""The ranker's nets by hand, and serving beside training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from models.contexts import ContextVocabulary
from models.errors import BundleError
from models.features import (
    FeatureSpec,
    ItemFeatures,
    UserBatch,
    context_features,
    dense_features,
    item_side,
    no_profiles,
    user_features,
)
from models.features import item_features as make_item_features
from models.model_config import HeadWeights, RankerConfig, TableSizes
from models.nets.cross_network import CrossNetwork
from models.nets.files import save_net
from models.nets.jagged import to_kjt
from models.nets.ranker import HEADS, NOTHING, Ranker, ranker_keys, ranker_tables
from models.nets.ranker_net import RANKER, RankerNet

SPEC = FeatureSpec(history_length=3, recent_length=2, category_buckets=8)
SIZES = TableSizes.of(SPEC, 4, 5, contexts=4, context_fields=2)
CONTEXTS = ContextVocabulary(["daytime", "weather"], [("daytime", "morning"), ("weather", "sunny")])
CONFIGS = [
    RankerConfig(interaction="dlrm", embedding_dim=4, hidden_dim=8),
    RankerConfig(interaction="dcn_v2", embedding_dim=4, hidden_dim=8, cross_rank=0),
    RankerConfig(interaction="dcn_v2", embedding_dim=4, hidden_dim=8, cross_rank=2, cross_layout="stacked"),
]


def items() -> ItemFeatures:
    return make_item_features(SPEC, [["a"], [], ["b"], ["a", "b"], []], np.arange(5), np.full(5, -1))


def users() -> UserBatch:
    history = np.asarray([[-1, 0, 1], [-1, -1, -1]], np.int32)
    return UserBatch(np.asarray([0, 3]), np.asarray([1, 0]), history, np.zeros(2, np.int64), no_profiles(2))


def net_of(config: RankerConfig) -> Ranker:
    torch.manual_seed(3)
    return Ranker(ranker_tables(SIZES, config, "cpu"), config, SIZES.context_fields)


def test_a_cross_layer_by_hand() -> None:
    cross = CrossNetwork(2, num_layers=2, rank=0)
    for layer in cross.layers:
        torch.nn.init.constant_(layer.weight, 1.0)
        torch.nn.init.constant_(layer.bias, 1.0)
    # x0 = (1, 2): W x + b = (4, 4), x1 = (1·4 + 1, 2·4 + 2) = (5, 10); W x1 + b = 16, x2 = (16 + 5, 32 + 10).
    assert cross(torch.tensor([[1.0, 2.0]])).tolist() == [[21.0, 42.0]]


def test_low_rank_has_fewer_weights() -> None:
    count = [sum(w.numel() for w in CrossNetwork(64, 1, rank).parameters()) for rank in (0, 4)]
    assert count == [64 * 64 + 64, 2 * 64 * 4 + 64]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda c: f"{c.interaction}-{c.cross_layout}")
def test_serving_gives_what_training_gives_without_a_position(config: RankerConfig, tmp_path: Path) -> None:
    net = net_of(config).eval()
    torch.nn.init.normal_(net.positions.weight)
    with torch.no_grad():
        net.positions.weight[0] = 0.0
    save_net(tmp_path, RANKER, config, SIZES, net.state_dict(), weight=1.0, contexts=CONTEXTS.to_json())
    served, features = RankerNet.load(tmp_path, SPEC), items()
    contexts = np.stack([served.contexts.rows({"daytime": "morning"}), served.contexts.rows({"weather": "odd"})])
    rows = np.asarray([2, 4])
    logits = served.logits(features, users(), np.arange(2), rows, contexts=contexts)

    looked_up = {**user_features(users(), 2), **context_features(contexts), **item_side("item", features, rows)}
    dense = torch.from_numpy(dense_features(users(), features, rows))[:, None]
    kjt = to_kjt(looked_up, ranker_keys(SIZES.context_fields), 2)
    with torch.no_grad():
        heads = net(kjt, dense, torch.zeros((2, 1), dtype=torch.int64))
        placed = net(kjt, dense, torch.ones((2, 1), dtype=torch.int64))
    assert heads.shape == (2, 1, len(HEADS))
    np.testing.assert_allclose(logits, net.final(heads)[:, 0].numpy(), rtol=1e-5)
    # A position moves every logit by the same number.
    moved = (placed - heads).numpy()
    np.testing.assert_allclose(moved[0], moved[1], atol=1e-6)
    assert not torch.equal(placed, heads)


def test_without_a_context_nothing_of_it_is_looked_up(tmp_path: Path) -> None:
    net = net_of(CONFIGS[1])
    save_net(tmp_path, RANKER, CONFIGS[1], SIZES, net.state_dict(), weight=1.0, contexts=CONTEXTS.to_json())
    served = RankerNet.load(tmp_path, SPEC)
    owner, rows = np.asarray([0, 0, 1]), np.asarray([1, 2, 2])
    absent = np.full((2, 2), -1, np.int32)
    plain = served.logits(items(), users(), owner, rows)
    assert plain.tolist() == served.logits(items(), users(), owner, rows, contexts=absent).tolist()


def test_a_batch_of_nothing_moves_no_statistics() -> None:
    net = net_of(CONFIGS[0]).train()
    looked_up = {**user_features(users(), 2), **item_side("item", items(), np.asarray([0, 1]))}
    kjt = to_kjt(looked_up, ranker_keys(SIZES.context_fields), 2)
    before = {name: value.clone() for name, value in net.named_buffers()}
    net(kjt, torch.ones(2, 1, 4), torch.full((2, 1), NOTHING))
    assert all(torch.equal(value, before[name]) for name, value in net.named_buffers())
    net(kjt, torch.ones(2, 1, 4), torch.zeros((2, 1), dtype=torch.int64))
    assert not all(torch.equal(value, before[name]) for name, value in net.named_buffers())


def test_the_final_logit_is_the_stated_sum() -> None:
    net = net_of(replace(CONFIGS[0], head_weights=HeadWeights(view=0.0, click=1.0, purchase=2.0, rating=0.5)))
    assert net.final(torch.tensor([[9.0, 1.0, 10.0, 4.0]])).tolist() == [1 + 20 + 2]


def test_weights_of_another_net_are_refused(tmp_path: Path) -> None:
    save_net(tmp_path, RANKER, CONFIGS[1], SIZES, net_of(CONFIGS[0]).state_dict(), weight=1.0)
    with pytest.raises(BundleError, match="do not fit their net"):
        RankerNet.load(tmp_path, SPEC)


@pytest.mark.parametrize("knows", [True, False])
def test_a_popularity_that_was_not_learned_from_says_nothing(knows: bool, tmp_path: Path) -> None:
    config, weights = CONFIGS[0], net_of(CONFIGS[0]).state_dict()
    save_net(tmp_path, RANKER, config, SIZES, weights, weight=1.0, contexts=CONTEXTS.to_json(), knows_popularity=knows)
    served, one = RankerNet.load(tmp_path, SPEC), items()
    more = replace(one, log_popularity=one.log_popularity + 2)
    asked = (users(), np.arange(2), np.asarray([2, 4]))
    usual = served.logits(one, *asked)
    told = served.logits(one, *asked, log_popularity=np.full(2, 9, np.float32))
    assert np.allclose(usual, served.logits(more, *asked)) is not knows
    assert np.allclose(usual, told) is not knows
