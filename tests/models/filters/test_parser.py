"""What the language lets through, what it says of the rest, and that nothing makes it slow or fail otherwise."""

from __future__ import annotations

import pickle
import sys

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from models.errors import FilterError
from models.filters import Fields, parse
from models.filters.expressions import AllOf, And, AnyOf, Compare, Exists, Field, Not, Operator, Or

A, B, C = (Compare(Field("metadata", (name,)), Operator.EQUAL, 1.0) for name in "abc")
VALUE = 'a value: a "text" in double quotes, a number, true or false'
OPERATOR = "one of =, !=, <, <=, >, >=, IN (…), ANY (…), ALL (…) and ONLY (…)"
PART = "a comparison, NOT, EXISTS or ("
MOST_CALLS = 170_000


@pytest.mark.parametrize(
    ("text", "expression"),
    [
        ("a = 1 OR b = 1 AND c = 1", Or((A, And((B, C))))),
        ("(a = 1 OR b = 1) AND c = 1", And((Or((A, B)), C))),
        ("NOT a = 1 AND b = 1", And((Not(A), B))),
        ("not not(a=1)", Not(Not(A))),
        ("a=1 and b=1 And c=1", And((A, B, C))),
        ("((a = 1))", A),
        ("\t a\n=\r1 ", A),
        ('categories IN ("x")', AnyOf(Field("categories"), ("x",))),
        ('tags ALL ("x", "y")', AllOf(Field("tags"), ("x", "y"))),
        ("a ANY (1, -2.5, 3e2, .5, true, FALSE)", AnyOf(A.field, (1.0, -2.5, 300.0, 0.5, True, False))),
        ("EXISTS metadata.a.b", Exists(Field("metadata", ("a", "b")))),
        ('a."b \\"c\\"".and = 1', Compare(Field("metadata", ("a", 'b "c"', "and")), Operator.EQUAL, 1.0)),
        ("metadata.title = 1", Compare(Field("metadata", ("title",)), Operator.EQUAL, 1.0)),
        (r'title = "\u00e9\n\"\t	"', Compare(Field("title"), Operator.EQUAL, 'é\n"\t\t')),
        ("ångström != 1", Compare(Field("metadata", ("ångström",)), Operator.UNEQUAL, 1.0)),
        ('released_at < "1970-01-02"', Compare(Field("released_at"), Operator.LESS, 86_400e6)),
    ],
)
def test_reads(text: str, expression: object) -> None:
    assert parse(text) == expression


@pytest.mark.parametrize(
    ("text", "position", "seen", "expected"),
    [
        ("", 0, "the end", PART),
        ("  ", 2, "the end", PART),
        ("year", 4, "the end", OPERATOR),
        ("year == 2000", 6, "=", VALUE),
        ("year = 2000 2001", 12, "2001", "AND, OR or the end"),
        ("title = Drama", 8, "Drama", VALUE),
        ("title = 'Drama'", 8, "'", VALUE),
        ('title = "Drama', 8, '"Drama', 'a closing " behind it'),
        (r'title = "a\x"', 10, r"\x", r"one of \" \\ \/ \b \f \n \r \t \u0000"),
        (r'title = "\ud800"', 8, r"'\"\\ud800\"'".replace('\\"', '"'), "well-formed Unicode"),
        ("(a = 1", 6, "the end", "AND, OR or )"),
        ("a = 1)", 5, ")", "AND, OR or the end"),
        ("a = 1 AND", 9, "the end", PART),
        ("a IN 3", 5, "3", "("),
        ("a IN ()", 6, ")", VALUE),
        ("a IN (1 2)", 8, "2", "a comma or )"),
        ("a NOT IN (1)", 2, "NOT", OPERATOR),
        ("AND = 1", 0, "AND", PART),
        ("EXISTS 3", 7, "3", "the name of a field"),
        ("a = 1e999", 4, "a number out of range", "one of at most 1.8e308"),
        ("a < true", 4, "< true", "= or != before true and false"),
        ("a = 1 OR title = 3", 17, "the number 3", 'a "text" in double quotes, which is what title holds'),
        ("num_interactions > true", 19, "> true", "= or != before true and false"),
        ("num_interactions = true", 19, "true", "a number, which is what num_interactions holds"),
        (
            'released_at > "soon"',
            14,
            'the text "soon"',
            'a day or moment like "2026-01-31" or "2026-01-31T12:00:00Z", which is what released_at holds',
        ),
        ("title.x = 1", 0, "title.x", "a field that items have; the nearest is metadata.title.x"),
    ],
)
def test_an_error_says_where_what_and_what_else(text: str, position: int, seen: str, expected: str) -> None:
    with pytest.raises(FilterError) as raised:
        parse(text)
    assert (raised.value.position, raised.value.seen, raised.value.expected) == (position, seen, expected)
    assert str(raised.value) == f"filter, position {position}: got {seen}, expected {expected}."


def test_an_error_survives_being_sent_to_another_process() -> None:
    error = pickle.loads(pickle.dumps(FilterError(3, "x", "y")))
    assert (str(error), error.position) == ("filter, position 3: got x, expected y.", 3)


def test_of_a_closed_set_an_unknown_field_is_an_error_that_names_the_nearest() -> None:
    fields = Fields(frozenset({"year", "studio.name", "box office"}))
    assert parse("year = 1 AND EXISTS studio AND NOT EXISTS studio.name", fields)
    assert parse('metadata."box office" = 1', fields)
    with pytest.raises(FilterError, match=r"position 13: got yaer, .* the nearest is year\."):
        parse("year = 1 AND yaer = 2", fields)
    with pytest.raises(FilterError, match=r"got studio\.nam, .* the nearest is studio\.name\."):
        parse("studio.nam = 2", fields)
    assert parse("yaer = 2")


@pytest.mark.parametrize(
    ("fits", "too_much", "problem"),
    [
        ("a = 1" + " " * 1_995, "a = 1" + " " * 1_996, "2001 characters"),
        ("(" * 16 + "a=1" + ")" * 16, "(" * 17 + "a=1" + ")" * 17, "at most 16 parentheses"),
        ("NOT " * 16 + "a=1", "NOT " * 17 + "a=1", "17 levels"),
        ("(NOT " * 8 + "a=1" + " OR b=1)" * 8, "(NOT " * 9 + "a=1" + " OR b=1)" * 9, "levels"),
        (" OR ".join(["a=1"] * 64), " OR ".join(["a=1"] * 65), "at most 64 comparisons"),
        (" OR ".join(["EXISTS a"] * 64), " OR ".join(["EXISTS a"] * 65), "at most 64 comparisons"),
        (" OR ".join(["a IN(1)"] * 64), " OR ".join(["a IN(1)"] * 65), "at most 64 comparisons"),
        (f"a IN ({','.join('1' * 320)})", f"a IN ({','.join('1' * 321)})", "at most 320 values"),
    ],
)
def test_bounds(fits: str, too_much: str, problem: str) -> None:
    assert parse(fits)
    with pytest.raises(FilterError, match=problem):
        parse(too_much)


def test_words_and_marks_inside_a_text_count_for_nothing() -> None:
    assert parse(f'title = "{"(=ALL," * 300}"')


_WORDS = [
    "a",
    "AND",
    "or",
    "NOT",
    "(",
    ")",
    "=",
    "<",
    "!=",
    "IN",
    "ANY",
    ",",
    '"x"',
    '"',
    "1",
    "EXISTS",
    ".",
    "\\",
    "é",
]
SOUP = st.one_of(
    st.text(max_size=2_100),
    st.binary(max_size=2_000).map(lambda raw: raw.decode("utf-8", "surrogateescape")),
    st.lists(st.sampled_from(_WORDS), max_size=800).map("".join),
    st.lists(st.sampled_from(_WORDS), max_size=600).map(" ".join),
    st.tuples(st.sampled_from(_WORDS), st.sampled_from(_WORDS)).map(lambda pair: "".join(pair * 700)[:2_000]),
)


@pytest.mark.timeout(30)  # for what no call is made for: a regular expression that goes back and forth
@settings(max_examples=100, deadline=None)
@given(SOUP)
@example("(" * 2_000)
@example("a=(" * 600)
@example('"\\' * 1_000)
@example("NOT " * 499 + "a=1")
@example(
    "a IN (" + ",".join("1" * 256) + ") OR a IN (" + ",".join("1" * 256) + ") OR a IN (" + ",".join("1" * 256) + ")"
)
@example("a." * 1_000)
@example(" OR ".join(["a IN(1)"] * 64) + " OR")
@example("\ud800")
def test_nothing_takes_long_or_raises_anything_else(text: str) -> None:
    """Long is counted in calls, which are the same on every machine; these take some 0.05 s."""
    num_calls = 0

    def count(*_: object) -> None:
        nonlocal num_calls
        num_calls += 1

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        error = problem(text)
    finally:
        sys.setprofile(before)
    assert num_calls < MOST_CALLS
    assert error is None or 0 <= error.position <= len(text)


def problem(text: str) -> FilterError | None:
    try:
        parse(text)
    except FilterError as error:
        return error
    return None
