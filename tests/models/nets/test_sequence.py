"""The sequence net: causal, blind to the other windows of a row, and the same alone as packed."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
import torch

from models.model_config import SequenceConfig
from models.nets.sequence import Packing, Sequence, item_table
from models.packing import pack

DIM, NUM_ITEMS, LENGTH = 8, 20, 6


@pytest.fixture(params=["attention", "hstu"])
def net(request: pytest.FixtureRequest) -> Sequence:
    torch.manual_seed(3)
    block: Literal["attention", "hstu"] = request.param
    config = SequenceConfig(embedding_dim=DIM, num_heads=2, block=block)
    net = Sequence(item_table(NUM_ITEMS, DIM), config, LENGTH).eval()
    for weights in net.parameters():
        torch.nn.init.normal_(weights, std=0.3)  # so that blocks matter
    return net


def encode(net: Sequence, *windows: list[int]) -> list[np.ndarray]:
    """What the net says after each item of each window, all in one pass."""
    table = net.state_dict()["tables.embeddings.item_table.weight"]
    packing = Packing(*map(torch.from_numpy, pack([len(w) for w in windows])))
    with torch.no_grad():
        hidden = net.encode(table[torch.tensor([item for window in windows for item in window])], packing)
    return np.split(hidden.numpy(), np.cumsum([len(w) for w in windows])[:-1])


def test_a_window_is_the_same_alone_and_packed(net: Sequence) -> None:
    windows = [[1, 2, 3], [4], [5, 6, 7, 8, 9, 10], [11, 12]]
    for together, window in zip(encode(net, *windows), windows, strict=True):
        [alone] = encode(net, window)
        np.testing.assert_allclose(together, alone, atol=1e-5)


def test_a_step_does_not_see_what_comes_after_it(net: Sequence) -> None:
    [one], [other] = encode(net, [1, 2, 3, 4]), encode(net, [1, 2, 9, 8])
    np.testing.assert_allclose(one[:2], other[:2], atol=1e-5)
    assert np.abs(one[2:] - other[2:]).max() > 1e-3


def test_order_matters(net: Sequence) -> None:
    [one], [other] = encode(net, [1, 2, 3]), encode(net, [2, 1, 3])
    assert np.abs(one[-1] - other[-1]).max() > 1e-4
