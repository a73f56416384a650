"""The sequence objective on a world with one rule: after item n comes item n + 1, going round."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from models.features import FeatureSpec, item_features
from models.model_config import SequenceConfig, TableSizes
from models.nets.files import save_net
from models.retrievers.sequence import SEQUENCE, SequenceEncoder
from models.seeds import generator
from pipelines.learning.data.examples import examples_of
from pipelines.learning.data.held_out import HeldOut
from pipelines.learning.data.known import Known
from pipelines.learning.objectives.objective import Batching
from pipelines.learning.objectives.sequence import SequenceObjective, _packing

pytestmark = pytest.mark.slow

NUM_ITEMS, LENGTH = 12, 8
SPEC = FeatureSpec(history_length=LENGTH)
CONFIG = SequenceConfig(embedding_dim=16, num_negatives=8, dropout=0.0)
SIZES = TableSizes.of(SPEC, 4, NUM_ITEMS)


def objective(**settings: Any) -> SequenceObjective:
    counts = np.ones(NUM_ITEMS, np.int64)
    features = item_features(SPEC, [[] for _ in counts], counts, -counts)
    return SequenceObjective(replace(CONFIG, **settings), Known(SIZES, features, counts, SPEC))


def rounds(num_users: int = 24) -> dict[str, Any]:
    """Each user starts somewhere and goes on for 10 items."""
    items, targets = np.empty(num_users, object), np.empty(num_users, object)
    for user in range(num_users):
        items[user] = ((user + np.arange(10)) % NUM_ITEMS).astype(np.int32)
        targets[user] = np.ones(10, bool)
    return {"items": items, "is_target": targets}


def trained(made: SequenceObjective, epochs: int = 30) -> Any:
    torch.manual_seed(5)
    net = made.build("cpu")
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    for epoch in range(epochs):
        rng = generator(1, "negatives", epoch)
        for batch in made.batches(iter([rounds()]), Batching(64, 1_000, 1, (epoch,))):
            optimizer.zero_grad()
            made.losses(net, made.inputs(batch, rng)).mean().backward()
            optimizer.step()
    return net.eval()


def held_out() -> HeldOut:
    """Users of one to eight items, and one of none; the next item is to be found."""
    history = np.full((9, LENGTH), -1)
    for user in range(1, 9):
        history[user, -user:] = (user + np.arange(user)) % NUM_ITEMS
    targets = np.asarray([0, *((2 * user) % NUM_ITEMS for user in range(1, 9))])
    zero = np.zeros(9, np.int64)
    columns = {"user": zero, "country": zero, "now_us": zero, "history": history, "item": targets}
    return HeldOut(examples_of(columns), [row[row >= 0] for row in history])


@pytest.mark.parametrize("settings", [{}, {"block": "hstu"}, {"loss": "gbce"}], ids=["attention", "hstu", "gbce"])
def test_it_learns_the_rule(settings: dict[str, Any]) -> None:
    made = objective(**settings)
    net = trained(made)
    with torch.no_grad():
        scores = made.scores(net, held_out(), generator(1, "validation"))
    assert scores[1:].tolist() == [1.0] * 8


def test_a_user_without_history_has_no_opinion() -> None:
    made = objective()
    with torch.no_grad():
        scores = made.scores(made.build("cpu").eval(), held_out(), generator(1, "validation"))
    assert scores[0] == 0.0  # all scores are equal, and a tie counts against the model


def test_no_number_of_negatives_is_the_full_softmax() -> None:
    made = objective(num_negatives=0)
    net = made.build("cpu").eval()
    [batch] = made.batches(iter([rounds(1)]), Batching(64, 1_000, 1, (1,)))
    inputs = made.inputs(batch, generator(1, "negatives"))
    t = inputs.tensors
    hidden, _, everything = net(inputs.features, t["inputs"], _packing(t))
    targets = torch.from_numpy(batch.items)[t["targets"]]
    expected = torch.nn.functional.cross_entropy(hidden[t["steps"]] @ everything.T, targets, reduction="none")
    assert len(everything) == NUM_ITEMS
    torch.testing.assert_close(made.losses(net, inputs), expected)


def test_what_is_exported_answers_as_what_was_validated(tmp_path: Path) -> None:
    made = objective()
    net = trained(made, epochs=3)
    save_net(tmp_path, SEQUENCE, CONFIG, SIZES, net.state_dict())
    encoder = SequenceEncoder.load(tmp_path, SPEC)
    examples = held_out().examples
    with torch.no_grad():
        expected = made._users(net, examples.users.history).numpy()
    np.testing.assert_allclose(encoder.encode(examples.users), expected, atol=1e-5)
    assert encoder.encode_items().shape == (NUM_ITEMS, 16)


def test_a_blank_batch_has_a_loss_and_teaches_nothing_when_weighed_by_zero() -> None:
    made = objective()
    net = made.build("cpu")
    loss = made.losses(net, made.inputs(made.blank(), generator(1, "negatives"))) * 0.0
    loss.sum().backward()
    assert all(p.grad is None or not p.grad.any() for p in net.parameters())
