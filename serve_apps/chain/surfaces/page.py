"""A page of home: titled rows of the sources, and no item on it twice.

A page below the full chain is made of what needs no tier: trending, new and popular items, and the user's last row as
long as it holds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, fields, replace
from itertools import zip_longest
from typing import Any, Final

import numpy as np
import orjson

from models.candidates import Candidates
from models.experiments import SourceName
from models.recommender import Recommender
from models.selection import TitledRow, fill_page
from models.selection.pool import MODEL
from models.vocabulary import Rows
from serve_apps.chain.answers import SHOWN, Answer, Found, Item, found_items, make_answer
from serve_apps.chain.deadline import Deadline
from serve_apps.chain.rungs import Rung
from serve_apps.chain.sources.gather import Offers, Sources
from serve_apps.chain.sources.model import TITLE
from serve_apps.chain.sources.offer import Offer, Shelf
from serve_apps.chain.sources.source import HomeTask
from serve_apps.chain.tools import Tools
from serve_apps.live.item_view import ItemView

MIN_LENGTH = 3
"""Items of a row, at least, unless fewer are asked for or no row has as many."""
POPULARITY: Final = "popularity"
ORDER: tuple[SourceName, ...] = (
    "continue", "model", "co_visited", "trending", "followed", "new", "content", POPULARITY,
)  # fmt: skip
"""Sources of a page from the top, where a variant does not name its own."""
IMPERSONAL = ("trending", "new", POPULARITY)
"""Sources that read nothing of a user but the country."""


@dataclass(frozen=True, slots=True)
class PageAnswer(Answer):
    """An answer whose items stand in rows; `items` is empty, so that nothing is said twice."""

    rows: list[dict[str, Any]] = field(default_factory=list)

    @classmethod
    def of(cls, answer: Answer, rows: list[dict[str, Any]]) -> PageAnswer:
        """The answer with these rows in place of its items."""
        values = {each.name: getattr(answer, each.name) for each in fields(Answer)}
        return cls(**{**values, "items": []}, rows=rows)

    @property
    def shown(self) -> list[Item]:
        """All items of the page, from the top."""
        return [item for row in self.rows for item in row["items"]]

    def to_json(self) -> bytes:
        """With the rows."""
        return orjson.dumps({name: getattr(self, name) for name in (*SHOWN, "rows")})


def wanted_sources(task: HomeTask) -> Sequence[str]:
    """Names of the sources that a task's answer is made of; of a page those of its rows from the top."""
    if task.query.rows is None:
        return tuple(task.variant.sources) or (MODEL,)
    named = tuple(task.variant.sources) or ORDER
    return named if POPULARITY in named else (*named, POPULARITY)


class Pages:
    """Makes pages of what sources offer."""

    def __init__(self, tools: Tools, sources: Sources) -> None:
        self._tools, self._sources = tools, sources

    async def completed(self, tasks: Sequence[HomeTask], answers: Sequence[Answer], deadline: Deadline) -> list[Answer]:
        """The answers; where a page was asked for and a rung of the ladder has answered with a row, a page instead."""
        done = list(answers)
        below = [at for at, task in enumerate(tasks) if task.query.rows and not isinstance(answers[at], PageAnswer)]
        if not below:
            return done
        recommender = self._tools.bundles.champion
        batch = self._sources.batch(recommender, [tasks[at] for at in below], deadline)
        gathered = await self._sources.gather(batch, [_without_tiers(task) for task in batch.tasks])
        for at, task, offers in zip(below, batch.tasks, gathered.offers, strict=True):
            done[at] = self.page(recommender, task, offers, done[at])
        return done

    def page(self, recommender: Recommender, task: HomeTask, offers: Offers, below: Answer | None = None) -> PageAnswer:
        """`offers`: in the order of the rows. `below`: the row of the rung that answers, where one has to."""
        view = self._tools.catalogue.view(recommender)
        shelves = list(_in_turn(_with_last_row(view, recommender.version, task, offers, below)))
        page = _filled(task, shelves)
        if not page and below is not None:  # all that the user may see is seen
            again = _shelf(view, "Popular", below, POPULARITY, task.user.hidden)
            page = _filled(task, [(POPULARITY, again)])
        answer = below or make_answer([], task, recommender.version)
        return PageAnswer.of(answer, [self._row(recommender, *each) for each in page])

    def _row(self, recommender: Recommender, source: str, shelf: Shelf) -> dict[str, Any]:
        view = self._tools.catalogue.view(recommender)
        rows, scores = shelf.candidates.item_rows, shelf.candidates.scores.tolist()
        found = [
            Found(view.id_of(row), score, reason, source)
            for row, score, reason in zip(rows.tolist(), scores, shelf.reasons(rows), strict=True)
        ]
        return {"title": shelf.title, "source": source, "items": found_items(view, found)}


def _without_tiers(task: HomeTask) -> list[str]:
    """Sources of a page below the full chain, those that need no user behind the others."""
    named = [name for name in wanted_sources(task) if name not in (MODEL, "co_visited")]
    if task.refused or task.variant.source == POPULARITY:
        named = [name for name in named if name in IMPERSONAL]
    return list(dict.fromkeys([*named, *IMPERSONAL]))


def _with_last_row(view: ItemView, version: str, task: HomeTask, offers: Offers, below: Answer | None) -> Offers:
    """The offers, and for the model's the user's last row if that has answered."""
    if below is None or below.fallback is not Rung.CACHED or below.model_version != version:
        return offers
    whole = {**offers, MODEL: Offer([_shelf(view, TITLE, below, MODEL, frozenset())])}
    return {name: whole[name] for name in wanted_sources(task) if name in whole}


def _in_turn(offers: Offers) -> Iterator[tuple[str, Shelf]]:
    """The first shelf of each source, then the second ones, and so on: no source fills the page alone."""
    for turn in zip_longest(*(offer.shelves for offer in offers.values())):
        yield from ((name, shelf) for name, shelf in zip(offers, turn, strict=True) if shelf is not None)


def _filled(task: HomeTask, shelves: Sequence[tuple[str, Shelf]]) -> list[tuple[str, Shelf]]:
    """The shelves as they stand on the page. No two have one title."""
    titled: dict[str, tuple[str, Shelf]] = {}
    for source, shelf in shelves:
        titled.setdefault(shelf.title, (source, shelf))
    rows = [TitledRow(title, shelf.candidates) for title, (_, shelf) in titled.items()]
    length, most = task.query.limit, task.query.rows
    page = fill_page(rows, length, min_length=min(MIN_LENGTH, length), max_rows=most)
    page = page or fill_page(rows, length, max_rows=most)
    placed = ((row, *titled[row.title]) for row in page)
    return [(source, replace(shelf, candidates=row.candidates)) for row, source, shelf in placed]


def _shelf(view: ItemView, title: str, row: Answer, source: str, without: AbstractSet[str]) -> Shelf:
    """What a row that was answered already has of a source."""
    items = [item for item in row.items if item["source"] == source and item["item_id"] not in without]
    placed = {at: item for item in items if (at := view.row_of(item["item_id"])) is not None}

    def reasons(shown: Rows) -> list[str]:
        return [placed[each]["reason"] for each in shown.tolist()]

    scores = np.asarray([item["score"] for item in placed.values()], np.float32)
    return Shelf(title, Candidates(np.asarray(list(placed), np.int64), scores), reasons)
