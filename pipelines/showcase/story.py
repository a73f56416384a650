"""What a person sees at the end of the demo: metrics, one user's history, their row, a click, the changed row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Console
from rich.table import Table as TextTable

from models.errors import ShoalError
from pipelines.showcase.server import Client

_ROW = 8
_SHOWN_METRICS = ("ndcg@10", "hit_rate@10", "recall@10", "mrr@10", "coverage@10")


@dataclass(frozen=True, slots=True)
class Person:
    """A user worth showing: a known one, with titles of the newest items first."""

    user_id: str
    history: tuple[str, ...]


def show_metrics(console: Console, metrics: Mapping[str, Mapping[str, float]]) -> None:
    """The model beside popularity on held-out events."""
    table = TextTable(title="Held-out events, full catalogue, seen items masked", title_justify="left")
    table.add_column("metric")
    for name in ("model", "popularity", "ratio"):
        table.add_column(name, justify="right")
    for metric in _SHOWN_METRICS:
        model, popularity = metrics["model"][metric], metrics["popularity"][metric]
        ratio = f"{model / popularity:.1f}×" if popularity else "–"
        table.add_row(metric, f"{model:.4f}", f"{popularity:.4f}", ratio)
    console.print(table)


def tell(console: Console, client: Client, people: Sequence[Person]) -> bool:
    """Show one person's row, click on it, show it again. True when the row changed."""
    person, before = _served_by_model(client, people)
    console.print(f"\n[bold]User {person.user_id}[/bold] lately: {'; '.join(person.history[:6])}")
    _show_row(console, f"Home, variant {before['variant']}, model {before['model_version']}", before)
    clicked = before["items"][1]
    console.print(f"\nPOST /api/interactions  click on [bold]{_title(clicked)}[/bold]")
    client.post(
        "/api/interactions",
        {
            "user_id": person.user_id,
            "item_id": clicked["item_id"],
            "event_type": "click",
            "recommendation_id": before["recommendation_id"],
            "position": clicked["rank"],
        },
    )
    after = _home(client, person.user_id)
    _show_row(console, "Home, right after the click (new items in bold)", after, _ids(before))
    return _changed(console, clicked["item_id"], before, after)


def _served_by_model(client: Client, people: Sequence[Person]) -> tuple[Person, dict[str, Any]]:
    for person in people:
        answer = _home(client, person.user_id)
        if answer["variant"] == "model" and answer["fallback"] is None:
            return person, answer
    raise ShoalError(f"none of {len(people)} users was answered by the model. See the server's log.")


def _changed(console: Console, clicked: str, before: dict[str, Any], after: dict[str, Any]) -> bool:
    gone = clicked not in _ids(after)
    new = [item for item in after["items"] if item["item_id"] not in _ids(before)]
    moved = _ids(before) != _ids(after)
    console.print(
        f"\nThe clicked item is {'gone' if gone else 'STILL THERE'}; {len(new)} of {len(after['items'])} items are new."
    )
    return gone and moved and bool(new)


def _show_row(console: Console, title: str, answer: dict[str, Any], known: Sequence[str] | None = None) -> None:
    table = TextTable(title=title, title_justify="left")
    for name in ("#", "item", "score", "reason"):
        table.add_column(name)
    for item in answer["items"]:
        style = "bold" if known is not None and item["item_id"] not in known else ""
        table.add_row(str(item["rank"]), _title(item), f"{item['score']:.3f}", item["reason"], style=style)
    console.print(table)


def _home(client: Client, user_id: str) -> dict[str, Any]:
    return client.get("/api/recommendations/home", user_id=user_id, limit=_ROW)


def _ids(answer: dict[str, Any]) -> list[str]:
    return [str(item["item_id"]) for item in answer["items"]]


def _title(item: dict[str, Any]) -> str:
    return str((item.get("metadata") or {}).get("title") or item["item_id"])
