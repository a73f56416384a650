"""A disk that fills and a lake that nobody may write to: what was acknowledged stays in the log until it can move."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from cluster.consuming.sink import sink
from cluster.delta.lake import Lake
from cluster.online.store import OnlineStore
from cluster.sqlite.store import SqliteStore
from models.errors import ShoalError, StoreError
from models.tables import Table
from pipelines.event_sink import main
from tests.cluster.online.store_suite import event, logged_ids
from tests.small_disk import fill, read_only, small_disk

pytestmark = pytest.mark.slow
BATCH = 50
DISK_BYTES = 4 << 20


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", DISK_BYTES) as folder:
        yield folder


def append(store: OnlineStore, numbers: range) -> None:
    assert store.append([event(n) for n in numbers]) == [True] * len(numbers)


def ids(lake: Lake) -> Counter[str]:
    return Counter(lake.read(Table.INTERACTIONS)["interaction_id"].to_pylist())


def expected(num: int) -> Counter[str]:
    return Counter(f"event-{n}" for n in range(num))


@contextmanager
def full(disk: Path) -> Iterator[None]:
    filler = fill(disk)
    yield
    filler.unlink()


@pytest.mark.parametrize(
    ("trouble", "reason"), [(full, "No space left on device"), (read_only, "Read-only file system")]
)
def test_the_log_keeps_what_the_lake_cannot_take(
    trouble: Callable[[Path], AbstractContextManager[None]], reason: str, disk: Path, url: str,
    sqlite_store: OnlineStore, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setenv("SHOAL_STORE", url)
    lake = Lake(str(disk / "lake"))
    append(sqlite_store, range(BATCH))
    sink(sqlite_store, lake)
    append(sqlite_store, range(BATCH, 2 * BATCH))
    command = ["--lake", lake.uri]
    with trouble(disk):
        with pytest.raises(ShoalError, match=reason):
            sink(sqlite_store, lake)
        assert main(command) == 2
        assert reason in capsys.readouterr().err
        assert ids(lake) == expected(BATCH)  # read whole meanwhile
    assert main(command) == 0
    assert ids(lake) == expected(2 * BATCH)
    assert sqlite_store.log.num_dead_letters() == 0


def test_a_full_disk_under_the_store_refuses_and_forgets_nothing(disk: Path) -> None:
    path = str(disk / "online.db")
    store = SqliteStore(path)
    append(store, range(BATCH))
    more = [event(n) for n in range(BATCH, 20 * BATCH)]
    with full(disk), pytest.raises(StoreError, match="full"):
        store.append(more)
    assert store.append(more) == [True] * len(more)  # none of them was taken before
    store.close()
    again = SqliteStore(path)
    assert Counter(logged_ids(again)) == expected(20 * BATCH)
    again.close()
