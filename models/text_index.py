"""Full-text search over the items (tantivy, BM25): titles before categories and tags."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import tantivy

_WORD = re.compile(r"\w+", re.UNICODE)
_MAX_WORDS = 32
_TITLE_BOOST = 3.0
_WRITER_BYTES = 15_000_000  # the least that the library takes
_TYPO_LENGTH = 4
"""From so many characters on, a word may have one of them wrong."""


@dataclass(frozen=True, slots=True)
class Text:
    """What is searched of an item."""

    item_id: str
    title: str | None
    labels: Sequence[str] = ()

    @property
    def words(self) -> str:
        """All of it, as a question for items like this one."""
        return " ".join([self.title or "", *self.labels])


class TextIndex:
    """In memory, some 100 bytes an item and its words; 100,000 items take a second or two.

    Thread-safe. What was put or removed is found from the next search on, which waits for it.
    """

    def __init__(self, texts: Iterable[Text] = ()) -> None:
        schema = tantivy.SchemaBuilder()
        schema.add_text_field("item_id", stored=True, tokenizer_name="raw", index_option="basic")
        for name in ("title", "labels"):
            schema.add_text_field(name)
        self._index = tantivy.Index(schema.build())
        self._writer = self._index.writer(_WRITER_BYTES, 1)
        self._lock = threading.Lock()
        self._dirty = True
        self._held: set[str] = set()
        self.put(texts)

    def put(self, texts: Iterable[Text]) -> None:
        """Add items; one that is there is replaced."""
        with self._lock:
            for text in texts:
                self._forget(text.item_id)
                self._held.add(text.item_id)
                fields = {"item_id": text.item_id, "title": text.title or "", "labels": list(text.labels)}
                self._writer.add_document(tantivy.Document(**fields))
                self._dirty = True

    def remove(self, item_ids: Iterable[str]) -> None:
        """Take items out; unknown ones are none."""
        with self._lock:
            for item_id in item_ids:
                self._forget(item_id)

    def search(self, question: str, k: int) -> list[tuple[str, float]]:
        """Ids and BM25 scores of the best `k`, best first; empty without a word.

        Where the words as they stand find nothing, the last may be a beginning and a long one may have a typing error.
        What is no word has no meaning here: the question cannot be a query of the library's language.
        """
        words = _WORD.findall(question.lower())[:_MAX_WORDS]
        if not words or k < 1:
            return []
        searcher = self._searcher()
        found = self._hits(searcher, " ".join(words), k, {})
        if not found:
            long = len(words[-1]) >= _TYPO_LENGTH
            loose = {name: (True, int(long), True) for name in ("title", "labels")}
            found = self._hits(searcher, " ".join(words), k, loose)
        return found

    def _forget(self, item_id: str) -> None:
        if item_id in self._held:
            self._held.discard(item_id)
            self._writer.delete_documents_by_term("item_id", item_id)
            self._dirty = True

    def _searcher(self) -> tantivy.Searcher:
        with self._lock:
            if self._dirty:
                self._writer.commit()
                self._index.reload()
                self._dirty = False
            return self._index.searcher()

    def _hits(
        self, searcher: tantivy.Searcher, words: str, k: int, loose: dict[str, tuple[bool, int, bool]]
    ) -> list[tuple[str, float]]:
        boosts = {"title": _TITLE_BOOST}
        query, _ = self._index.parse_query_lenient(words, ["title", "labels"], boosts, loose)
        hits = searcher.search(query, k).hits
        return [(searcher.doc(address)["item_id"][0], float(score)) for score, address in hits]
