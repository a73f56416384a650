"""What a run leaves to look at: its curves and TensorBoard's files."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest
from tensorboardX.proto.event_pb2 import Event

from pipelines.learning.runs.curves import curves
from pipelines.learning.runs.records import Record, score_name
from pipelines.learning.runs.tensorboard_log import log_epoch

RECORDS: list[Record] = [
    {"epoch": n, "loss": 1.0 / n, "ndcg@10": score, "samples": 9, "samples_per_s": 3.0, "seconds": 3.0}
    for n, score in enumerate((0.1, 0.3, 0.2), start=1)
]


def test_the_score_is_what_is_neither_loss_nor_speed() -> None:
    assert score_name(RECORDS[0]) == "ndcg@10"


def test_curves_show_loss_and_score_and_mark_the_best() -> None:
    drawn = curves(RECORDS)
    assert drawn == curves(RECORDS)
    for text in (b"<svg", b"loss", b"ndcg@10", b"0.3000", b"epoch"):
        assert text in drawn


def scalars(path: Path) -> dict[str, tuple[int, float]]:
    """Step and value of each scalar of an event file (a length, its checksum, the event, its checksum)."""
    data, found = path.read_bytes(), {}
    while data:
        size = int.from_bytes(data[:8], "little")
        event = Event.FromString(data[12 : 12 + size])
        found |= {value.tag: (event.step, value.simple_value) for value in event.summary.value}
        data = data[12 + size + 4 :]
    return found


def test_each_epoch_is_an_event_file_in_order(tmp_path: Path) -> None:
    for record in (*RECORDS, RECORDS[2]):  # the last again, as after a failure
        log_epoch(str(tmp_path), record)
    files = sorted((tmp_path / "tensorboard").iterdir())
    assert [path.name for path in files] == [f"events.out.tfevents.{n:010d}.shoal" for n in (1, 2, 3)]
    logged = scalars(files[1])
    assert logged["validation/ndcg_at_10"] == (2, pytest.approx(0.3))
    assert logged["train/loss"] == (2, 0.5)
    assert {"speed/samples", "speed/samples_per_s", "speed/seconds"} <= logged.keys()


def test_what_a_run_does_not_record_is_not_drawn() -> None:
    fitted = words(curves([{"epoch": 1, "ndcg@10": 0.2, "samples": 9}]))
    assert "ndcg@10" in fitted
    assert "loss" not in fitted
    assert "ndcg@10" not in words(curves([{"epoch": 1, "samples": 9}]))


def words(drawn: bytes) -> str:
    return "".join(ElementTree.fromstring(drawn).itertext())
