"""From a finished run to a judged bundle, by the commands: Ray Data reads a real lake, the weights are real."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from cluster.delta.lake import Lake
from cluster.privacy.vocabulary_erasure import erase_from_runs
from cluster.registry import Registry
from models.events import INTERACTIONS, EventType
from models.manifest import Manifest
from models.privacy import ERASED_ID
from models.recommender import Recommender
from models.tables import Table
from models.user_state import HistoryEvent, UserState
from models.vocabulary import USERS_FILE
from pipelines import evaluate, publish
from tests.models.tiny_bundle import ITEMS, write_bundle

pytestmark = pytest.mark.slow

START = datetime(2026, 1, 1, tzinfo=UTC)
NUM_USERS = 12


@pytest.fixture(scope="module")
def places(ray_session: None, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """`--lake`, `--runs` and `--registry` of a world whose users always turn to what the untrained model puts first."""
    home = tmp_path_factory.mktemp("home")
    run = home / "runs" / "first"
    recommender = Recommender.load(write_bundle(run / "export"), "first")
    (run / "config.json").write_text(
        json.dumps({"name": "two_tower", "seed": 1, "split": {"protocol": "leave_last_out"}})
    )
    rows = [row for number in range(NUM_USERS) for row in events(recommender, number)]
    columns = {name: [row.get(name) for row in rows] for name in INTERACTIONS.names}
    lake = Lake(str(home / "lake"))
    lake.append(Table.INTERACTIONS, pa.table(columns, schema=INTERACTIONS))
    (run / "data.json").write_text(json.dumps({"num_users": NUM_USERS, "versions": lake.pinned().versions}))
    return [f"--{name}={home / name}" for name in ("lake", "runs", "registry")]


def events(recommender: Recommender, number: int) -> list[dict[str, object]]:
    """Two clicks, and a third on the model's own answer to them."""
    moments = [START + timedelta(minutes=10 * number + step) for step in range(3)]
    clicked = [ITEMS[number % 6], ITEMS[(number + 1 + number // 6) % 6]]
    history = tuple(
        HistoryEvent(item_id, EventType.CLICK, int(moment.timestamp() * 1e6))
        for item_id, moment in zip(clicked, moments[:2], strict=True)
    )
    user = UserState(f"user-{number}", moments[2], history, "NO")
    [found] = recommender.retrieve([user], 1, [user.seen])
    return [
        {
            "interaction_id": f"{number}-{step}",
            "user_id": user.user_id,
            "item_id": item_id,
            "event_type": EventType.CLICK.value,
            "timestamp": moment,
            "country": "NO",
            "date": moment.date(),
        }
        for step, (item_id, moment) in enumerate(zip([*clicked, ITEMS[found.item_rows[0]]], moments, strict=True))
    ]


def registry_of(places: list[str]) -> Registry:
    return Registry(places[2].partition("=")[2])


def test_the_first_model_and_its_equal_both_become_champion(
    places: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    registry = registry_of(places)
    champions = []
    for compared in ("there is no champion to beat", "against champion's 1.0000"):
        assert publish.main(["--run", "first", *places]) == 0
        out = capsys.readouterr().out
        assert "ndcg@10                 1.0000 [1.0000, 1.0000]" in out
        assert f"champion: ndcg@10 of all {NUM_USERS} cases is 1.0000" in out
        assert compared in out
        champions.append(registry.champion())
    assert len({*champions, None}) == 3

    folder = registry.fetch(champions[1] or "")
    manifest = registry.manifest(champions[1] or "")
    assert {"evaluation.json", "evaluation.svg"} <= set(manifest.files)
    assert set(manifest.metrics) == {"model", "champion", "popularity"}
    assert manifest.indexes["index.faiss"]["recall_at_100"] == 1.0
    written = json.loads((folder / "evaluation.json").read_bytes())
    assert written["metrics"] == manifest.metrics
    assert written["paired"]["champion"]["ndcg@10"]["difference"] == 0.0
    assert ElementTree.parse(folder / "evaluation.svg").getroot().tag.endswith("svg")


def test_given_candidates_are_ranked(places: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "candidates.csv"
    rows = [f"{name},{item_id}" for name in ("user-0", "user-1", "nobody") for item_id in (*ITEMS, "unknown")]
    file.write_text("\n".join(["user_id,item_id", *rows]))
    out = tmp_path / "out"
    assert evaluate.main(["--run", "first", *places, "--candidates", str(file), "--out", str(out), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((out / "metrics.json").read_bytes())
    assert (printed["protocol"], printed["num_cases"]) == ("candidate lists", 2)
    assert printed["notes"][0] == "1 of 3 users with candidates have no held-out item: ignored"
    assert (out / "report.svg").exists()


def test_labelled_pairs_are_scored(places: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "labels.csv"
    file.write_text("user_id,item_id,label\nuser-0,item-0,1\nuser-0,item-5,0\nnobody,item-1,0\nuser-1,item-2,1\n")
    assert evaluate.main(["--run", "first", *places, "--labels", str(file)]) == 0
    out = capsys.readouterr().out
    assert out.startswith("labelled pairs, 3 users")
    for name in ("auc", "group_auc", "log_loss", "calibration_error"):
        assert f"\n{name} " in out
    assert "note: 1 of 3 users have no event in the lake: scored as strangers" in out


def test_a_file_of_nobody_is_one_clear_line(
    places: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "candidates.csv"
    file.write_text("user_id,item_id\nnobody,item-0\n")
    assert evaluate.main(["--run", "first", *places, "--candidates", str(file)]) == 2
    assert "1 of 1 users with candidates have no held-out item" in capsys.readouterr().err


def test_an_erasure_that_comes_between_copying_and_publishing_reaches_the_bundle(
    places: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Registry.publish

    def overtaken(registry: Registry, folder: Path, manifest: Manifest) -> str:
        assert erase_from_runs(places[1].partition("=")[2], ["bob"], unfinished=False).entries == 1
        return real(registry, folder, manifest)

    monkeypatch.setattr(Registry, "publish", overtaken)
    assert publish.main(["--run", "first", *places]) == 0
    registry = registry_of(places)
    newest = registry.versions()[-1]
    assert len(newest.erasures) == 1
    assert pq.read_table(registry.fetch(newest.version) / USERS_FILE)["user_id"].to_pylist() == ["ann", ERASED_ID]
