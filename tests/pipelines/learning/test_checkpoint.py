"""What any number of workers wrote, any other number restores; what is half-written is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from models.errors import BundleError
from pipelines.learning.engine.checkpoint import Progress, Reader
from tests.pipelines.learning.gloo_workers import BY_COLUMNS, EMBEDDING_DIM, NUM_ITEMS, Job, run_jobs

pytestmark = pytest.mark.slow

ITEM_TABLE = "net|tables.embedding_bags.item_table.weight"


MOVES = [("1", 2), ("2", 1), ("2", 4), ("4", 1)]
OPTIMIZERS = ["rowwise_adagrad", "adam", BY_COLUMNS]


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Checkpoints by table optimizer and the numbers of workers that wrote them, one after the other: `adam 1→2`."""
    names = [*"124", *(f"{source}→{world}" for source, world in MOVES)]
    made = {f"{o} {n}": tmp_path_factory.mktemp("checkpoint") for o in OPTIMIZERS for n in names}
    fresh = {n: [Job(made[f"{o} {n}"], tables=o) for o in OPTIMIZERS] for n in "124"}
    moved = {
        (source, world): [Job(made[f"{o} {source}→{world}"], made[f"{o} {source}"], o) for o in OPTIMIZERS]
        for source, world in MOVES
    }
    run_jobs(1, fresh["1"])
    run_jobs(2, fresh["2"] + moved["1", 2])
    run_jobs(4, fresh["4"] + moved["2", 4])
    run_jobs(1, moved["2", 1] + moved["4", 1])
    return made


def everything(folder: Path) -> dict[str, Tensor]:
    """Weights and optimizer state, whole, by name."""
    return Reader(folder).tensors()


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize(("source", "world"), MOVES)
def test_another_number_of_workers_takes_over_every_bit(
    folders: dict[str, Path], optimizer: str, source: str, world: int
) -> None:
    written, target = folders[f"{optimizer} {source}"], folders[f"{optimizer} {source}→{world}"]
    before, after = everything(written), everything(target)
    assert before.keys() == after.keys()
    for name, tensor in before.items():
        torch.testing.assert_close(after[name], tensor, rtol=0, atol=0, msg=name)
    assert Reader(target).progress == Progress(3, 0.5, 2, 12)
    assert len(list(target.glob("rank-*.safetensors"))) == world


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_an_optimizer_state_lies_beside_every_weight(folders: dict[str, Path], optimizer: str) -> None:
    tensors = everything(folders[f"{optimizer} 2"])
    weights = {name.removeprefix("net|") for name in tensors if name.startswith("net|")}
    assert {name.split("|")[1] for name in tensors if name.startswith("state|")} == weights
    state = "exp_avg_sq" if optimizer == "adam" else "item_table.momentum1"
    shape = tensors[f"state|tables.embedding_bags.item_table.weight|{state}"].shape
    assert tuple(shape) == ((NUM_ITEMS,) if optimizer == "rowwise_adagrad" else (NUM_ITEMS, EMBEDDING_DIM))


def keys(folder: Path) -> list[set[str]]:
    """Names in the files of two ranks."""
    return [set(load_file(folder / f"rank-{rank}.safetensors")) for rank in (0, 1)]


def test_two_workers_share_the_tables(folders: dict[str, Path]) -> None:
    tables = [{key for key in held if "_table.weight|0" in key} for held in keys(folders["rowwise_adagrad 2"])]
    assert len(tables[0] | tables[1]) == 7
    assert not tables[0] & tables[1]
    assert all(tables)


def test_columns_know_their_place(folders: dict[str, Path]) -> None:
    first, second = keys(folders[f"{BY_COLUMNS} 2"])
    assert {f"{ITEM_TABLE}|0", f"{ITEM_TABLE}|0,4"} <= first | second


def test_the_plan_says_what_lies_where(folders: dict[str, Path]) -> None:
    plans = {o: (folders[f"{o} 2"] / "sharding.txt").read_text() for o in OPTIMIZERS}
    assert f"item_table table_wise/fused  {NUM_ITEMS} × {EMBEDDING_DIM}: rank " in plans["rowwise_adagrad"]
    assert "rank 1: 0.0 MB of tables" in plans["rowwise_adagrad"]
    assert "columns 4-7" in plans[BY_COLUMNS]
    assert "item_table data_parallel/dense  40 × 8: rank 0; rank 1" in plans["adam"]


def test_weights_are_whole_and_trained(folders: dict[str, Path]) -> None:
    table = Reader(folders["rowwise_adagrad 2"]).net()["tables.embedding_bags.item_table.weight"]
    assert table.shape == (NUM_ITEMS, EMBEDDING_DIM)
    assert table.isfinite().all()
    momentum = everything(folders["rowwise_adagrad 2"])[
        "state|tables.embedding_bags.item_table.weight|item_table.momentum1"
    ]
    assert momentum.max() > 0


def test_a_table_split_by_rows_is_put_together(folders: dict[str, Path], tmp_path: Path) -> None:
    # By rows is CUDA's way of splitting; here the shards are cut from a whole table.
    tensors = load_file(folders["rowwise_adagrad 1"] / "rank-0.safetensors")
    whole = tensors.pop(ITEM_TABLE + "|0")
    save_file({**tensors, f"{ITEM_TABLE}|0": whole[:12].clone()}, tmp_path / "rank-0.safetensors")
    save_file({f"{ITEM_TABLE}|12": whole[12:].clone()}, tmp_path / "rank-1.safetensors")
    progress = json.loads((folders["rowwise_adagrad 1"] / "progress.json").read_text())
    (tmp_path / "progress.json").write_text(json.dumps({**progress, "num_files": 2}))
    assert torch.equal(everything(tmp_path)[ITEM_TABLE], whole)


@pytest.fixture
def copied(folders: dict[str, Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(folders["rowwise_adagrad 2"], tmp_path / "copy"))


@pytest.mark.parametrize("name", ["progress.json", "rank-0.safetensors", "rank-1.safetensors"])
@pytest.mark.parametrize("keep", [None, 0, 0.5])
def test_half_written_is_refused(copied: Path, name: str, keep: float | None) -> None:
    path = copied / name
    content = path.read_bytes()
    path.unlink()
    if keep is not None:
        path.write_bytes(content[: int(keep * len(content))])
    with pytest.raises(BundleError, match="half-written"):
        Reader(copied)


def test_progress_of_another_kind_is_refused(copied: Path) -> None:
    (copied / "progress.json").write_text(json.dumps({"epochs": 3}))
    with pytest.raises(BundleError, match="half-written"):
        Reader(copied)


def test_another_recipe_is_refused(folders: dict[str, Path]) -> None:
    other = torch.nn.Linear(3, 1)
    with pytest.raises(BundleError, match="belongs to another recipe"):
        Reader(folders["rowwise_adagrad 1"]).restore(other, torch.optim.Adam(other.parameters()))
