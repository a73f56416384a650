"""The words of titles by worked examples."""

from __future__ import annotations

import numpy as np
import polars as pl

from models.title_words import MAX_WORDS, title_words
from models.vocabulary import hash_bucket

BUCKETS = 1 << 20


def words_of(*titles: str | None) -> list[list[int]]:
    made = title_words(pl.Series(titles), BUCKETS)
    taken = made.take(np.arange(len(titles)))
    return [part.tolist() for part in np.split(taken.values, np.cumsum(taken.lengths)[:-1])]


def buckets(text: str) -> list[int]:
    return [hash_bucket(word, BUCKETS) for word in text.split()]


def test_words_are_lower_cased_distinct_and_of_two_characters_or_more() -> None:
    assert words_of("Toy Story (1995)", "TOY, toy & a B-story!") == [buckets("toy story 1995"), buckets("toy story")]


def test_words_of_any_script() -> None:
    assert words_of("L'Été à Zürich", "Война и мир") == [buckets("été zürich"), buckets("война мир")]


def test_an_item_without_a_title_has_no_words() -> None:
    assert words_of(None, "", "a !", "last") == [[], [], [], buckets("last")]
    assert words_of(None, None) == [[], []]


def test_a_long_title_counts_from_its_beginning() -> None:
    assert words_of(" ".join(f"word{n}" for n in range(10_000))) == [
        buckets("word0 word1 word2 word3 word4 word5 word6 word7 word8 word9 word10 word11")
    ]
    assert MAX_WORDS == 12
