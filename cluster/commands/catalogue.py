"""`get`, `put` and `delete` of items or users on the store itself, without a server."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import orjson

from cluster.commands.console import EXIT_ERROR, parser, run, say
from cluster.online import catalogue
from cluster.online.catalogue_store import CatalogueStore
from cluster.online.store import open_store
from cluster.settings import Settings
from models.catalogue_entries import Entry, Kind, parse_named
from models.errors import InputError

_BATCH = 1_000
_EXAMPLES = {
    Kind.ITEM: """\
shoal items get i12
  shoal items put catalogue.jsonl
  echo '{"item_id": "i12", "title": "The Silent Orbit", "available": false}' | shoal items put
  shoal items delete i12""",
    Kind.USER: """\
shoal users get u7
  echo '{"user_id": "u7", "country": "NO", "personalization": false}' | shoal users put
  shoal users delete u7""",
}


def main_of(kind: Kind, doc: str | None, argv: Sequence[str] | None) -> int:
    """The command of one kind."""
    args_parser = parser(f"{kind}s", doc, _EXAMPLES[kind])
    actions = args_parser.add_subparsers(dest="action", required=True, metavar="get|put|delete")
    get = actions.add_parser("get", help="print each as a line of JSON")
    put = actions.add_parser("put", help="replace them whole, or make them")
    delete = actions.add_parser("delete", help="take them out")
    for ids in (get, delete):
        ids.add_argument("ids", nargs="+", metavar=kind.key, help=f"a {kind.key}")
    put.add_argument("files", nargs="*", default=["-"], help="JSON, a list of it, or JSON Lines; - is stdin (default)")
    return run(args_parser, lambda args: _command(kind, args), argv)


def _command(kind: Kind, args: argparse.Namespace) -> int:
    store = open_store(Settings().store_url)
    try:
        if args.action == "put":
            return _put(store.catalogue, kind, args.files)
        if args.action == "delete":
            outcomes = catalogue.delete(store.catalogue, kind, args.ids)
            print(f"deleted {sum(outcome.changed for outcome in outcomes):,} of {len(outcomes):,} {kind}s")
        else:
            for id_ in args.ids:
                shown = catalogue.shown(kind, catalogue.get(store.catalogue, kind, id_))
                print(orjson.dumps(shown).decode())
        return 0
    finally:
        store.close()


def _put(store: CatalogueStore, kind: Kind, files: Sequence[str]) -> int:
    """Keep the good ones; each bad one is named on stderr with its place, and the exit code says so."""
    counts: Counter[str] = Counter()
    batch: list[tuple[str, Entry]] = []
    for place, raw in (found for file in files for found in _read(file)):
        try:
            if isinstance(raw, InputError):
                raise raw
            batch.append(parse_named(kind, raw))
        except InputError as error:
            counts["rejected"] += 1
            say(f"{place}: {error}")
        if len(batch) == _BATCH:
            _keep(store, kind, batch, counts)
            batch = []
    _keep(store, kind, batch, counts)
    print(", ".join(f"{counts[status]:,} {status}" for status in ("created", "updated", "unchanged", "rejected")))
    return EXIT_ERROR if counts["rejected"] else 0


def _keep(store: CatalogueStore, kind: Kind, batch: Sequence[tuple[str, Entry]], counts: Counter[str]) -> None:
    counts.update(outcome.status for outcome in catalogue.put(store, kind, batch))


def _read(file: str) -> Iterator[tuple[str, Any]]:
    """Each object of a file, or what is wrong with its line, and its place: a list, one object, or one a line."""
    try:
        content = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}.") from None
    name = "stdin" if file == "-" else file
    try:
        whole = orjson.loads(content)
    except orjson.JSONDecodeError:
        yield from _lines(name, content)
        return
    objects = whole if isinstance(whole, list) else [whole]
    yield from ((f"{name}[{index}]", value) for index, value in enumerate(objects))


def _lines(name: str, content: bytes) -> Iterator[tuple[str, Any]]:
    for number, line in enumerate(content.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            yield f"{name}:{number}", orjson.loads(line)
        except orjson.JSONDecodeError as error:
            yield f"{name}:{number}", InputError(f"no JSON ({error}). Send one object, a list, or JSON Lines.")
