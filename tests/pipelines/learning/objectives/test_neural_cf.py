"""NeuMF on the checkerboard: even users like even items, and the diagonal is never shown."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from models.features import FeatureSpec, UserBatch, item_features, no_profiles
from models.model_config import NeuralCFConfig, TableSizes
from models.nets.files import save_net
from models.retrievers.exhaustive import ExhaustiveRetriever
from models.retrievers.neural_cf import NEURAL_CF, NeuralCFScorer
from models.seeds import generator
from pipelines.learning.data.examples import Examples
from pipelines.learning.data.held_out import HeldOut
from pipelines.learning.data.known import Known
from pipelines.learning.objectives.neural_cf import NeuralCFObjective

SIZE = 12
SPEC = FeatureSpec(history_length=0)
SIZES = TableSizes.of(SPEC, SIZE, SIZE)
CONFIG = NeuralCFConfig(embedding_dim=8, hidden_dim=16, num_negatives=4)


def users(rows: np.ndarray) -> UserBatch:
    zero = np.zeros(len(rows), np.int64)
    return UserBatch(rows, zero, np.zeros((len(rows), 0), np.int32), zero, no_profiles(len(rows)))


def checkerboard() -> np.ndarray:
    return np.asarray([(u, i) for u in range(SIZE) for i in range(SIZE) if (u - i) % 2 == 0 and u != i])


def trained(
    pairs: np.ndarray, config: NeuralCFConfig = CONFIG, epochs: int = 50
) -> tuple[NeuralCFObjective, torch.nn.Module]:
    torch.manual_seed(4)
    counts = np.ones(SIZE, np.int64)
    objective = NeuralCFObjective(
        config, Known(SIZES, item_features(SPEC, [[] for _ in counts], counts, -counts), counts, SPEC)
    )
    net = objective.build("cpu")
    examples = Examples(users(pairs[:, 0]), pairs[:, 1])
    optimizer = torch.optim.Adam(net.parameters(), lr=0.02)
    for epoch in range(epochs):
        optimizer.zero_grad()
        objective.losses(net, objective.inputs(examples, generator(1, epoch))).mean().backward()
        optimizer.step()
    return objective, net.eval()


def test_each_user_gets_the_withheld_item_of_their_kind(tmp_path: Path) -> None:
    _, net = trained(checkerboard())
    save_net(tmp_path, NEURAL_CF, CONFIG, SIZES, net.state_dict())
    scorer = NeuralCFScorer.load(tmp_path)
    everyone = users(np.arange(SIZE))
    scores = scorer.score_all(everyone)
    kinds = np.add.outer(np.arange(SIZE), np.arange(SIZE)) % 2 == 0
    assert scores[kinds].min() > scores[~kinds].max()
    retriever = ExhaustiveRetriever(scorer, by_user_id=True)
    rows, best = retriever.search(everyone, SIZE // 2)
    assert ((rows - np.arange(SIZE)[:, None]) % 2 == 0).all()
    np.testing.assert_allclose(best, -np.sort(-scores, axis=1)[:, : SIZE // 2])
    pairs = retriever.scores(everyone, np.asarray([0, 3]), np.asarray([5, 1]))
    np.testing.assert_allclose(pairs, scores[[0, 3], [5, 1]])


def test_inference_agrees_with_the_net_in_training(tmp_path: Path) -> None:
    objective, net = trained(checkerboard(), replace(CONFIG, unknown_share=0.0))
    save_net(tmp_path, NEURAL_CF, CONFIG, SIZES, net.state_dict())
    scores = NeuralCFScorer.load(tmp_path).score_all(users(np.asarray([3, 7])))
    examples = Examples(users(np.asarray([3, 7])), np.asarray([0, 5]))
    with torch.no_grad():
        logits = net(objective.inputs(examples, generator(1)).features)[:, 0]
    np.testing.assert_allclose(scores[[0, 1], [0, 5]], logits.numpy(), atol=1e-5)


def test_a_newcomer_gets_what_most_people_like(tmp_path: Path) -> None:
    liked = np.asarray([(user, item) for user in range(SIZE) for item in (2, 3, 7)])
    _, net = trained(liked, replace(CONFIG, unknown_share=0.3))
    save_net(tmp_path, NEURAL_CF, CONFIG, SIZES, net.state_dict())
    newcomers = NeuralCFScorer.load(tmp_path).score_all(users(np.arange(SIZE, SIZE + SPEC.user_buckets)))
    assert (np.sort(np.argsort(-newcomers, axis=1)[:, :3], axis=1) == [2, 3, 7]).all()


def test_validation_ranks_as_the_scorer_does(tmp_path: Path) -> None:
    objective, net = trained(checkerboard(), epochs=3)
    save_net(tmp_path, NEURAL_CF, CONFIG, SIZES, net.state_dict())
    everyone = users(np.arange(SIZE))
    scores = NeuralCFScorer.load(tmp_path).score_all(everyone)
    ranks = (scores > scores[np.arange(SIZE), np.arange(SIZE)][:, None]).sum(1)
    held_out = HeldOut(Examples(everyone, np.arange(SIZE)), [np.zeros(0, np.int32)] * SIZE)
    with torch.no_grad():
        found = objective.scores(net, held_out, generator(1))
    np.testing.assert_allclose(found, np.where(ranks < 10, 1 / np.log2(ranks + 2.0), 0.0))
