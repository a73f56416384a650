"""`shoal items` and `shoal users` work on the store itself."""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest

from cluster.commands import items, users
from cluster.sqlite.store import SqliteStore


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SqliteStore:
    monkeypatch.setenv("SHOAL_STORE", f"sqlite:///{tmp_path}/online.db")
    return SqliteStore(str(tmp_path / "online.db"))


def typed(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text.encode())))


def test_items_are_put_from_stdin_read_and_deleted(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    typed(monkeypatch, '{"item_id": "i1", "title": "é", "available": false}')
    assert items.main(["put"]) == 0
    assert capsys.readouterr().out == "1 created, 0 updated, 0 unchanged, 0 rejected\n"
    assert items.main(["get", "i1"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert {name: shown[name] for name in ("item_id", "title", "available")} == {
        "item_id": "i1",
        "title": "é",
        "available": False,
    }
    for num in (2, 0):
        assert items.main(["delete", "i1", "i2"]) == 0
        assert capsys.readouterr().out == f"deleted {num} of 2 items\n"
    assert items.main(["get", "i1"]) == 2
    assert "there is no item 'i1'" in capsys.readouterr().err


@pytest.mark.parametrize("form", ["list", "lines"])
def test_files_of_many_keep_the_good_ones_and_name_the_bad(
    store: SqliteStore, tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str
) -> None:
    rows = [{"user_id": f"u{n}", "country": "NO"} for n in range(2_500)] + [{"user_id": "bad", "age": 3}]
    lines = "\n".join(json.dumps(user) for user in rows)
    file = tmp_path / "users.json"
    file.write_text(json.dumps(rows) if form == "list" else f"\n{lines}\n")
    assert users.main(["put", str(file)]) == 2
    out, err = capsys.readouterr()
    assert out == "2,500 created, 0 updated, 0 unchanged, 1 rejected\n"
    place = "users.json[2500]" if form == "list" else "users.json:2502"
    assert f"{place}: 'age': unknown field" in err
    assert {user.country for user in store.users([f"u{n}" for n in range(2_500)])} == {"NO"}


def test_what_is_no_json_is_named(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    typed(monkeypatch, '{"item_id": "i1"}\n{"item_id": ')
    assert items.main(["put"]) == 2
    out, err = capsys.readouterr()
    assert (out, err[:16]) == ("1 created, 0 updated, 0 unchanged, 1 rejected\n", "stdin:2: no JSON")
    assert items.main(["put", str(tmp_path / "nothing.json")]) == 2
    assert "cannot be read: No such file" in capsys.readouterr().err
