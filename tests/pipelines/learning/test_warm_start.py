"""Rows go over by id: an old id keeps its row's values wherever its row is now, a new one starts fresh."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from models.contexts import ContextVocabulary
from models.errors import ConfigError
from pipelines.learning.engine.checkpoint import Progress, Reader, save_progress, save_shards
from pipelines.learning.warm.source import Source
from pipelines.learning.warm.warm_start import Vocabularies, carry, rows_before, tally, warm_tensors, write_warm_start
from pipelines.recipes import load_recipe
from tests.pipelines.learning.gloo_workers import NUM_ITEMS, SIZES, examples, one_worker, sharded

IDS = st.lists(st.text("abcdef", min_size=1, max_size=2), unique=True, max_size=20)
ITEMS, USERS, TOWER = "tables.embeddings.item_table.weight", "tables.embeddings.user_table.weight", "tower.0.weight"


@settings(deadline=None)  # of a busy machine
@given(IDS, IDS, st.integers(0, 3))
def test_every_old_id_keeps_its_row(old_ids: list[str], new_ids: list[str], num_extra: int) -> None:
    old = torch.arange(2.0 * (len(old_ids) + num_extra)).view(-1, 2)
    fresh = -1 - torch.arange(2.0 * (len(new_ids) + num_extra)).view(-1, 2)
    carried = carry(old, fresh, rows_before(old_ids, new_ids, num_extra))
    assert carried.shape == fresh.shape
    for row, new_id in enumerate(new_ids):
        expected = old[old_ids.index(new_id)] if new_id in old_ids else fresh[row]
        assert torch.equal(carried[row], expected)
    assert torch.equal(carried[len(new_ids) :], old[len(old_ids) :])


def test_a_tally_counts_ids() -> None:
    assert tally(["a", "b", "c"], ["c", "d", "a"]) == {"carried": 2, "new": 1, "gone": 1}


@pytest.fixture
def source() -> Source:
    """Items a and b; user u and two buckets; Adam states of the items, one row-wise state of the users."""
    tensors = {
        f"net|{ITEMS}": torch.tensor([[1.0, 1.0], [2.0, 2.0]]),
        f"net|{USERS}": torch.tensor([[3.0], [4.0], [5.0]]),
        f"net|{TOWER}": torch.tensor([[7.0]]),
        f"state|{ITEMS}|exp_avg": torch.tensor([[0.1, 0.1], [0.2, 0.2]]),
        f"state|{ITEMS}|step": torch.tensor(9.0),
        f"state|{USERS}|user_table.momentum1": torch.tensor([0.3, 0.4, 0.5]),
        f"state|{TOWER}|exp_avg": torch.tensor([[0.7]]),
    }
    return Source("runs/old", "checkpoint of epoch 1", load_recipe("two_tower"), {}, ["a", "b"], ["u"], tensors)


FRESH = {ITEMS: torch.zeros(3, 2), USERS: torch.zeros(4, 1), TOWER: torch.zeros(1, 1)}


def test_weights_and_states_go_over_together(source: Source) -> None:
    warm = warm_tensors(source, FRESH, Vocabularies(["b", "c", "a"], ["t", "u"]))
    expected = {
        f"net|{ITEMS}": [[2, 2], [0, 0], [1, 1]],
        f"net|{USERS}": [[0], [3], [4], [5]],
        f"net|{TOWER}": [[7]],
        f"state|{ITEMS}|exp_avg": [[0.2, 0.2], [0, 0], [0.1, 0.1]],
        f"state|{ITEMS}|step": 9,
        f"state|{USERS}|user_table.momentum1": [0, 0.3, 0.4, 0.5],
        f"state|{TOWER}|exp_avg": [[0.7]],
    }
    assert warm.keys() == expected.keys()
    for name, values in expected.items():
        torch.testing.assert_close(warm[name], torch.tensor(values, dtype=torch.float32), msg=name)


def test_weights_alone_are_enough(source: Source) -> None:
    bundle = replace(source, tensors={name: t for name, t in source.tensors.items() if name.startswith("net|")})
    assert warm_tensors(bundle, FRESH, Vocabularies(["a"] * 3, ["u", "v"])).keys() == bundle.tensors.keys()


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({ITEMS: torch.zeros(3, 4)}, r"item_table.weight is \[2\] wide with 0 rows beside its ids in runs/old"),
        ({USERS: torch.zeros(9, 1)}, r"with 2 rows beside its ids in runs/old, and \[1\] with 7 here"),
        ({TOWER: torch.zeros(2, 1)}, r"tower.0.weight is \[1, 1\] in runs/old and \[2, 1\] here"),
        ({"tower.1.weight": torch.zeros(1)}, r"has no weight tower.1.weight: it is of another model"),
    ],
)
def test_other_widths_are_refused(source: Source, other: dict[str, Tensor], message: str) -> None:
    with pytest.raises(ConfigError, match=message + r".*take model\.\* and features\.\*"):
        warm_tensors(source, {**FRESH, **other}, Vocabularies(["b", "c", "a"], ["t", "u"]))


CONTEXTS = "tables.embedding_bags.context_table.weight"
NOON, NIGHT, DAWN = (("daytime", value) for value in ("noon", "night", "dawn"))


def test_a_value_of_a_context_keeps_its_row(source: Source) -> None:
    # Before: daytime and all its rare values, night, noon. Now dawn stands before these, and night is rare.
    old = torch.tensor([[1.0], [2.0], [3.0]])
    tensors = {**source.tensors, f"net|{CONTEXTS}": old, f"state|{CONTEXTS}|momentum1": old[:, 0] / 10}
    ranker = replace(source, tensors=tensors, contexts=ContextVocabulary(["daytime"], [NIGHT, NOON]))
    now = Vocabularies(["a"] * 3, ["u", "v"], ContextVocabulary(["daytime"], [DAWN, NOON]))
    warm = warm_tensors(ranker, {**FRESH, CONTEXTS: torch.zeros(3, 1)}, now)
    assert warm[f"net|{CONTEXTS}"].flatten().tolist() == [1, 0, 3]
    torch.testing.assert_close(warm[f"state|{CONTEXTS}|momentum1"], torch.tensor([0.1, 0, 0.3]))
    grown = Vocabularies(now.items, now.users, ContextVocabulary(["daytime"], [DAWN, NIGHT, NOON]))
    warm = warm_tensors(ranker, {**FRESH, CONTEXTS: torch.zeros(4, 1)}, grown)
    assert warm[f"net|{CONTEXTS}"].flatten().tolist() == [1, 0, 2, 3]


def test_other_fields_of_context_are_refused(source: Source) -> None:
    ranker = replace(source, contexts=ContextVocabulary(["daytime"]))
    now = Vocabularies(["a"], ["u"], ContextVocabulary(["daytime", "weather"]))
    with pytest.raises(ConfigError, match="context fields daytime, and the exposures of now have daytime, weather"):
        warm_tensors(ranker, FRESH, now)


def test_workers_begin_from_what_was_written(tmp_path: Path) -> None:
    before, now = [f"i{n}" for n in range(NUM_ITEMS)], [f"i{n}" for n in range(1, NUM_ITEMS + 1)]  # i0 is gone
    users = [f"u{n}" for n in range(SIZES.users - 10)]  # the other rows are buckets
    with one_worker():
        objective, model, optimizer = sharded("rowwise_adagrad")
        rng = np.random.default_rng(1)
        inputs = objective.inputs(examples(rng), rng)
        objective.losses(model, inputs).mean().backward()
        optimizer.step()
        save_shards(tmp_path, 0, model, optimizer)
        save_progress(tmp_path, 1, Progress(1))
        old = Reader(tmp_path).tensors()
        source = Source("old", "", load_recipe("two_tower"), {}, before, users, old)
        uri = write_warm_start(source, objective, Vocabularies(now, users), 1, str(tmp_path))
        _, fresh, its_optimizer = sharded("rowwise_adagrad")
        Reader(Path(uri)).restore(fresh, its_optimizer, all_states=False)
        save_shards(tmp_path, 0, fresh, its_optimizer)
        save_progress(tmp_path, 1, Progress())
    new = Reader(tmp_path).tensors()
    moved = {name for name, tensor in old.items() if not torch.equal(new[name], tensor)}
    table = "tables.embedding_bags.item_table.weight"
    assert moved == {f"net|{table}", f"state|{table}|item_table.momentum1"}
    for name in moved:
        assert torch.equal(new[name][:-1], old[name][1:])
