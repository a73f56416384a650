"""Reasons to stop for good: the first loss that is no number, weights that are none, and a disk that is full."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from models.errors import DiskFullError, DivergenceError
from pipelines.learning.engine.agreement import Agreement, AllStop
from pipelines.learning.engine.checkpoint import Progress, Reader
from pipelines.learning.engine.checkpoint_folders import (
    best_epoch,
    checkpoint_at,
    checkpoint_folder,
    drop_broken_snapshot,
    epochs_whole,
    remove,
)
from pipelines.learning.engine.checkpoint_writing import write_checkpoint
from pipelines.learning.engine.pipeline import Done
from pipelines.learning.engine.stopping import DiskFull, Diverged, LossWatch, causes, error_of, first, no_room
from pipelines.learning.runs.epoch_log import complete_records
from pipelines.learning.runs.run_folder import read_json, write_json
from pipelines.recipes import OptimizerConfig
from tests.pipelines.learning.gloo_workers import one_worker, run_group, sharded
from tests.small_disk import fill, small_disk

NAN = float("nan")


@pytest.fixture(scope="module", autouse=True)
def group() -> Iterator[None]:
    with one_worker():
        yield


def done(loss: float, users: list[int], weight: float = 1.0) -> Done:
    return Done(torch.tensor(loss), 4, weight, users)


@pytest.mark.parametrize("every", [1, 2, 32])
def test_the_first_loss_that_is_no_number_is_found_with_its_batch(every: int) -> None:
    watch = LossWatch(epoch=2, rank=1, every=every)
    for step in (done(1.0, [0]), done(NAN, [5], weight=0.0), done(float("inf"), [7, 8]), done(NAN, [9])):
        watch.add(step)
    watch.flush()
    assert watch.found == Diverged(2, 3, 1, "the loss is inf", (7, 8))
    assert watch.num_examples == 12


def test_good_losses_add_up() -> None:
    watch = LossWatch(epoch=1, rank=0, every=2)
    for loss in (1.0, 2.0, 4.0):
        watch.add(done(loss, [0]))
    watch.flush()
    assert (watch.loss_sum, watch.num_examples, watch.found) == (7.0, 12, None)


def test_the_earliest_reason_of_all_workers_counts() -> None:
    late, early, other = (Diverged(1, step, rank, "") for step, rank in ((9, 0), (3, 1), (3, 2)))
    assert first([late, None, other, early]) == early


def test_an_agreement_stops_with_the_reason() -> None:
    agreement = Agreement()
    assert agreement.anyone(True)
    assert not agreement.anyone(False)
    agreement.note(None)
    agreement.note(Diverged(1, 2, 0, "a"))
    agreement.note(Diverged(1, 3, 0, "b"))
    with pytest.raises(AllStop):
        agreement.anyone(True)
    assert agreement.reason == Diverged(1, 2, 0, "a")


def test_workers_hear_of_each_other() -> None:
    run_group(2, agree)


def agree(rank: int, world: int) -> None:
    """Worker 1 has one thing more to do; worker 0 has a reason to stop after all questions but the last were asked."""
    agreement = Agreement()
    questions = [agreement.ask(here) for here in (True, rank == 1, False)]
    agreement.note(Diverged(1, 2, 0, "a") if rank == 0 else None)
    assert [agreement.answer(question) for question in questions] == [True, True, False]
    with pytest.raises(AllStop):
        agreement.anyone(True)
    assert agreement.reason == Diverged(1, 2, 0, "a")


def test_a_diverged_run_says_where_and_what_to_do() -> None:
    error = error_of(Diverged(2, 31, 1, "the loss is nan", (1, 9)), "run-7", OptimizerConfig(), 1)
    assert isinstance(error, DivergenceError)
    for part in (
        "run-7 diverged: the loss is nan at epoch 2, step 31, worker 1 (its batch begins with user rows 1, 9)",
        "The checkpoint of epoch 1 is whole",
        "shoal train --resume run-7 --set optimizer.table_learning_rate=0.0125 ",
        "--set optimizer.dense_learning_rate=0.00025 --set training.max_gradient_norm=1",
    ):
        assert part in str(error)


def test_a_full_disk_is_known_among_what_a_run_failed_from() -> None:
    outer = RuntimeError("workers failed")
    outer.worker_failures = {0: OSError(28, "No space left on device")}  # type: ignore[attr-defined]
    assert any(map(no_room, causes(outer)))
    assert not any(map(no_room, causes(RuntimeError())))
    assert not no_room(OSError(13, "Permission denied"))


def test_a_full_disk_leaves_the_checkpoints_before_it_whole(tmp_path: Path) -> None:
    _, model, optimizer = sharded("rowwise_adagrad")
    with small_disk(tmp_path / "disk", 1 << 20) as run:
        agreement = Agreement()
        write_checkpoint(str(run), 0, 1, model, optimizer, Progress(1), agreement)
        filler = fill(run)
        with pytest.raises(AllStop):
            write_checkpoint(str(run), 0, 1, model, optimizer, Progress(2), agreement)
        assert isinstance(agreement.reason, DiskFull)
        error = error_of(agreement.reason, "run-7", OptimizerConfig(), 1)
        assert isinstance(error, DiskFullError)
        assert "the disk is full: worker 0 had no room for the checkpoint of epoch 2" in str(error)
        assert "The checkpoint of epoch 1 is whole. Make room, then: shoal train --resume run-7" in str(error)
        assert epochs_whole(str(run)) == [1]
        Reader(Path(checkpoint_folder(str(run), 1).uri)).restore(model, optimizer)
        filler.unlink()
        write_checkpoint(str(run), 0, 1, model, optimizer, Progress(2), Agreement())
        assert epochs_whole(str(run)) == [2, 1]


@pytest.mark.slow
def test_a_checkpoint_on_s3_is_written_found_and_read(s3_endpoint: str) -> None:
    _, model, optimizer = sharded("rowwise_adagrad")
    run = "s3://shoal-test/runs/mine"
    for epoch in (1, 2):
        write_checkpoint(run, 0, 1, model, optimizer, Progress(epoch), Agreement(), {"epoch": epoch})
    remove(checkpoint_folder(run, 1))
    assert epochs_whole(run) == [2]
    complete_records(run)
    assert read_json(run, "metrics.json") == [{"epoch": 2}]
    with checkpoint_at(run, 2).as_directory() as folder:
        reader = Reader(Path(folder))
        reader.restore(model, optimizer)
    assert reader.progress == Progress(2)


def test_the_best_epoch_is_the_first_of_the_highest_score(tmp_path: Path) -> None:
    run = str(tmp_path)
    scores = {1: 0.9, 2: 0.5, 3: 0.7, 4: 0.7, 5: NAN}
    write_json(run, "metrics.json", [{"epoch": epoch, "auc": score} for epoch, score in scores.items()])
    assert best_epoch(run, "auc") is None
    for epoch in (2, 3, 4, 5):  # that of epoch 1 is gone
        write_json(checkpoint_folder(run, epoch).uri, "progress.json", {})
    checkpoint_folder(run, 6).write("rank-0.safetensors", b"")  # half-written
    assert best_epoch(run, "auc") == 3
    write_json(run, "metrics.json", [{"epoch": epoch, "auc": 0.0} for epoch in scores])
    assert best_epoch(run, "auc") == 5


def test_a_record_that_was_lost_is_read_from_its_checkpoint(tmp_path: Path) -> None:
    run, records = str(tmp_path), [{"epoch": epoch, "loss": 1.0 / epoch} for epoch in (1, 2, 3)]
    for record in records:
        write_json(checkpoint_folder(run, int(record["epoch"])).uri, "progress.json", {"record": record})
    write_json(run, "metrics.json", records[:1])
    complete_records(run)
    assert read_json(run, "metrics.json") == records


@pytest.mark.parametrize(("content", "left"), [(b'{"a": 1}', True), (b'{"a": ', False), (b"", False)])
def test_a_cut_off_list_of_checkpoints_is_dropped(tmp_path: Path, content: bytes, left: bool) -> None:
    path = tmp_path / "checkpoints" / "run" / "checkpoint_manager_snapshot.json"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)
    drop_broken_snapshot(str(tmp_path))
    assert path.exists() == left
