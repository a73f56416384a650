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
from models.model_config import TwoTowerConfig
from pipelines.learning.checkpoint import Progress, Reader
from tests.pipelines.learning.gloo_workers import EMBEDDING_DIM, NUM_ITEMS, Job, run_jobs

pytestmark = pytest.mark.slow

ITEM_TABLE = "net|tables.embedding_bags.item_table.weight"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Checkpoints by the numbers of workers that wrote them, one after the other."""
    made = {name: tmp_path_factory.mktemp(f"by-{n}") for n, name in enumerate(("1", "2", "1→2", "2→1"))}
    run_jobs(2, [Job(made["2"])])
    run_jobs(1, [Job(made["1"]), Job(made["2→1"], made["2"])])
    run_jobs(2, [Job(made["1→2"], made["1"])])
    return made


def everything(folder: Path) -> dict[str, Tensor]:
    """Weights and optimizer state, whole, by name."""
    return Reader(folder).tensors()


@pytest.mark.parametrize(("source", "target"), [("2", "2→1"), ("1", "1→2")])
def test_another_number_of_workers_takes_over_every_bit(folders: dict[str, Path], source: str, target: str) -> None:
    before, after = everything(folders[source]), everything(folders[target])
    assert before.keys() == after.keys()
    for name, tensor in before.items():
        torch.testing.assert_close(after[name], tensor, rtol=0, atol=0, msg=name)
    assert Reader(folders[target]).progress == Progress(3, 0.5, 2)
    assert len(list(folders[target].glob("rank-*.safetensors"))) == int(target[-1])


def test_two_workers_share_the_tables(folders: dict[str, Path]) -> None:
    tables = [
        {key for key in load_file(folders["2"] / f"rank-{rank}.safetensors") if key.endswith("_table.weight|0")}
        for rank in (0, 1)
    ]
    assert len(tables[0] | tables[1]) == 4
    assert not tables[0] & tables[1]
    assert all(tables)


def test_weights_are_whole_and_trained(folders: dict[str, Path]) -> None:
    table = Reader(folders["2"]).net()["tables.embedding_bags.item_table.weight"]
    assert table.shape == (NUM_ITEMS, EMBEDDING_DIM)
    assert table.isfinite().all()
    momentum = everything(folders["2"])["state|tables.embedding_bags.item_table.weight|item_table.momentum1"]
    assert momentum.max() > 0


def test_a_table_split_by_rows_is_put_together(folders: dict[str, Path], tmp_path: Path) -> None:
    # By rows is CUDA's way of splitting; here the shards are cut from a whole table.
    tensors = load_file(folders["1"] / "rank-0.safetensors")
    whole = tensors.pop(ITEM_TABLE + "|0")
    save_file({**tensors, f"{ITEM_TABLE}|0": whole[:12].clone()}, tmp_path / "rank-0.safetensors")
    save_file({f"{ITEM_TABLE}|12": whole[12:].clone()}, tmp_path / "rank-1.safetensors")
    progress = json.loads((folders["1"] / "progress.json").read_text())
    (tmp_path / "progress.json").write_text(json.dumps({**progress, "num_files": 2}))
    assert torch.equal(everything(tmp_path)[ITEM_TABLE], whole)


@pytest.fixture
def copied(folders: dict[str, Path], tmp_path: Path) -> Path:
    return Path(shutil.copytree(folders["2"], tmp_path / "copy"))


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
    other = torch.nn.Linear(TwoTowerConfig().hidden_dim, 1)
    with pytest.raises(BundleError, match="belongs to another recipe"):
        Reader(folders["1"]).restore(other, torch.optim.Adam(other.parameters()))
