"""The upkeep commands on a lake that bundles and runs were made of."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from cluster.delta.lake import Lake
from cluster.registry import Registry
from cluster.storage import join
from models.errors import ConfigError, NotFoundError
from models.events import UNTIMED_DATE
from models.manifest import Manifest
from models.tables import TABLES, Table
from pipelines.lake import main
from pipelines.learning.data.sequences import sequences
from pipelines.learning.runs.run_folder import FINISHED, write_json
from pipelines.learning.trainer import train
from pipelines.learning.warm.refresh import fresh_events
from pipelines.recipes import load_recipe
from pipelines.upkeep.compacting import compact_table, due
from pipelines.upkeep.named_versions import named_versions
from pipelines.upkeep.retention import parse_windows, retain
from tests.cluster.delta.lake_rows import DAY, NOON, age, events, ids, wait_a_moment

INTERACTIONS = Table.INTERACTIONS.value


class Place:
    """A lake with its registry and its runs, and the options that name them."""

    def __init__(self, root: Path) -> None:
        self.lake = Lake(str(root / "lake"))
        self.registry, self.runs = Registry(str(root / "registry")), str(root / "runs")
        self.files = root / "files"
        self.files.mkdir()
        self.lake_option = ["--lake", self.lake.uri]
        self.options = [*self.lake_option, "--registry", self.registry.uri, "--runs", self.runs]

    def append(self, *names: str) -> dict[str, int]:
        """One more commit; the versions after it."""
        self.lake.append(Table.INTERACTIONS, events(*names))
        return self.lake.pinned().versions

    def publish(self, version: str, versions: dict[str, int], *, promote: bool) -> None:
        manifest = Manifest(
            version=version, created_at=version, recipe="r", config={}, feature_digest="", metrics={},
            data={"lake": self.lake.uri, "versions": versions},
        )  # fmt: skip
        self.registry.publish(self.files, manifest)
        if promote:
            self.registry.promote(version)

    def run(self, name: str, versions: dict[str, int], *, finished: bool, recipe: str = "r") -> None:
        uri = join(self.runs, name)
        write_json(uri, "config.json", {"name": recipe})
        write_json(uri, "data.json", {"lake": self.lake.uri, "versions": versions})
        if finished:
            write_json(uri, FINISHED, {})


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_compaction_of_many_days_is_few_commits_and_once_is_enough(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    days = [DAY + timedelta(n) for n in range(5)]
    for name in "ab":
        place.lake.append(Table.INTERACTIONS, pa.concat_tables([events(f"{name}{d}", day=d) for d in days]))
    assert main(["compact", *place.lake_option, "--json"]) == 0
    [summary] = json.loads(capsys.readouterr().out)["tables"]
    assert (summary["table"], summary["files_before"], summary["files_after"]) == (INTERACTIONS, 10, 5)
    assert place.lake.version(Table.INTERACTIONS) == 2
    seen: list[tuple[int, int]] = []
    done = compact_table(place.lake, Table.INTERACTIONS, 1 << 20, lambda so_far, total: seen.append((so_far, total)))
    assert (done.before, seen, place.lake.version(Table.INTERACTIONS)) == (done.after, [], 2)
    large = max(part.num_bytes for part in place.lake.parts(Table.INTERACTIONS))
    place.lake.append(Table.INTERACTIONS, events("c"))
    assert due(place.lake.parts(Table.INTERACTIONS), large // 2) == {}


def test_vacuum_keeps_what_is_needed_and_names_what_it_breaks(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    at = [place.append(name) for name in "abcdefg"]
    place.lake.compact(Table.INTERACTIONS)
    place.append("h")
    place.publish("2026-01", at[0], promote=True)
    place.publish("2026-02", at[1], promote=True)
    place.publish("2026-03", at[2], promote=False)
    place.run("older", at[2], finished=True)
    place.run("newer", at[3], finished=True)
    place.run("begun", at[4], finished=False)
    place.run("other/selection", at[5], finished=True, recipe="s")  # the run around it has not finished
    place.run("elsewhere", at[6], finished=False)
    write_json(join(place.runs, "elsewhere"), "data.json", {"lake": "another", "versions": at[6]})
    age(place.lake, Table.INTERACTIONS, 30)
    assert main(["vacuum", *place.options, "--dry-run"]) == 0
    assert "nothing was changed" in capsys.readouterr().out
    assert place.lake.broken(Table.INTERACTIONS, [v[INTERACTIONS] for v in at]) == set()
    assert main(["vacuum", *place.options, "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert summary["kept_for"] == [
        "bundle 2026-01", "bundle 2026-02 (champion)", "run begun (unfinished)", "run newer",
        "run other/selection (unfinished)",
    ]  # fmt: skip
    assert summary["cannot_be_read_again"] == []  # a later version that is kept has all files of theirs
    assert place.lake.broken(Table.INTERACTIONS, [v[INTERACTIONS] for v in at]) == {at[6][INTERACTIONS]}
    assert main(["vacuum", *place.options, "--break-named", "--json"]) == 0
    summary = json.loads(capsys.readouterr().out)
    assert (summary["kept_for"], len(summary["cannot_be_read_again"])) == ([], 7)
    assert ids(place.lake) == [*"abcdefgh"]


def test_what_is_new_can_be_told_after_a_compaction_and_a_vacuum(place: Place) -> None:
    """An incremental run goes on from the newest finished one, whatever upkeep has done since."""
    before = place.append("a", "b")
    before = place.append("c")
    place.run("finished", before, finished=True)
    place.append("d", "e")
    old = events("of a dropped day", day=DAY - timedelta(100))
    place.lake.append(Table.INTERACTIONS, old)
    place.lake.compact(Table.INTERACTIONS)
    age(place.lake, Table.INTERACTIONS, 30)
    assert main(["vacuum", *place.options]) == 0
    assert len(fresh_events(place.lake.pinned(), before)) == 3


def test_what_is_new_can_be_told_after_old_days_were_dropped_and_vacuumed(place: Place) -> None:
    """Files of days that nothing was added to say nothing of what is new, so nobody misses them."""
    place.lake.append(Table.INTERACTIONS, events("old", day=DAY - timedelta(100)))
    before = place.append("a")
    place.append("b")
    place.lake.drop_days(Table.INTERACTIONS, DAY)
    wait_a_moment()
    place.lake.vacuum(Table.INTERACTIONS, keep=timedelta(0))
    assert len(fresh_events(place.lake.pinned(), before)) == 1


@pytest.mark.slow
def test_training_data_of_a_past_version_can_be_read_again(place: Place, ray_session: None) -> None:
    versions = place.append("a", "b")
    versions = place.append("c")
    place.run("begun", versions, finished=False)

    def trained_on() -> list[list[str]]:
        rows = sequences(place.lake.pinned(versions), seed=1).take_all()
        return [sorted(row["item_ids"]) for row in rows]

    place.append("d")
    place.lake.compact(Table.INTERACTIONS)
    place.lake.erase(Table.INTERACTIONS, "item_id", ["a"])
    age(place.lake, Table.INTERACTIONS, 30)
    assert main(["vacuum", *place.options]) == 0
    assert trained_on() == [["a", "b", "c"]]
    assert ids(place.lake) == ["b", "c", "d"]
    assert main(["vacuum", *place.options, "--break-named"]) == 0
    with pytest.raises(NotFoundError, match="a vacuum has removed what it was made of"):
        train(load_recipe("als"), place.lake, place.runs, run_id="begun")


def test_retention_is_by_table_in_one_commit(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    today = datetime.now(UTC).date()
    days = [date(2020, 1, 1), today - timedelta(31), today - timedelta(30), today, UNTIMED_DATE]
    place.lake.append(Table.INTERACTIONS, pa.concat_tables([events(str(n), day=day) for n, day in enumerate(days)]))
    quarantine = TABLES[Table.QUARANTINE].schema
    row = {"quarantine_id": "q", "table": "items", "source_file": "f", "reason": "json: x", "quarantined_at": NOON}
    place.lake.append(Table.QUARANTINE, pa.Table.from_pylist([row], quarantine))
    command = ["retain", *place.lake_option, "--keep", "interactions=30", "--keep", "quarantine=90", "--keep"]
    assert main([*command, "exposures=1", "--dry-run", "--json"]) == 0
    tried = {of["table"]: of for of in json.loads(capsys.readouterr().out)["tables"]}
    assert (tried[INTERACTIONS]["rows_dropped"], tried[INTERACTIONS]["files_after"]) == (2, 3)
    assert ids(place.lake) == ["0", "1", "2", "3", "4"]
    version = place.lake.version(Table.INTERACTIONS)
    assert main([*command, "exposures=1"]) == 0
    assert f"{INTERACTIONS:<18}{2:>14}{5:>10}{3:>10}" in capsys.readouterr().out
    assert ids(place.lake) == ["2", "3", "4"]
    assert place.lake.version(Table.INTERACTIONS) == version + 1
    assert retain(place.lake, {Table.INTERACTIONS: 30})[0].num_rows == 0
    assert place.lake.version(Table.INTERACTIONS) == version + 1


@pytest.mark.parametrize("given", [[], ["users=3"], ["exposures"], ["exposures=0"], ["exposures=x"], ["nothing=1"]])
def test_a_window_that_makes_no_sense_is_refused(given: list[str]) -> None:
    with pytest.raises(ConfigError, match="--keep"):
        parse_windows(given)


def test_history_tells_what_was_done_and_who_names_it(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    place.run("first", place.append("a"), finished=True)
    place.append("b")
    place.lake.compact(Table.INTERACTIONS)
    assert main(["history", *place.options, "--table", INTERACTIONS]) == 0
    head, newest, *_, oldest = capsys.readouterr().out.splitlines()
    assert head == f"{INTERACTIONS}, newest version 2"
    assert "OPTIMIZE" in newest
    assert "1 files added, 2 files removed" in newest
    assert oldest.endswith("<- run first")


def test_named_are_only_those_of_this_lake(place: Place, tmp_path: Path) -> None:
    place.publish("v", place.append("a"), promote=True)
    assert [name.who for name in named_versions(place.lake, place.registry, place.runs)] == ["bundle v (champion)"]
    assert named_versions(Lake(str(tmp_path / "other")), place.registry, place.runs) == []
