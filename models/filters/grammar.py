"""The grammar of filters: from text to a tree of what stands where, before any name or value is looked into.

    filter      = conjunction { OR conjunction }
    conjunction = negation { AND negation }
    negation    = { NOT } ( "(" filter ")" | comparison )
    comparison  = EXISTS field | field operator value | field ( IN | ANY | ALL | ONLY ) "(" value { "," value } ")"

One token decides every choice, so that nothing is ever parsed twice and a text costs time linear in its length.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import pyparsing as pp

from models.errors import FilterError
from models.filters.bounds import seen_at, unquoted
from models.filters.expressions import Literal


@dataclass(frozen=True, slots=True)
class Name:
    """A dotted name as it is written."""

    position: int
    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Value:
    """A value as it is written."""

    position: int
    value: Literal


@dataclass(frozen=True, slots=True)
class Comparison:
    """`word`: the operator, or IN, ANY, ALL, ONLY or EXISTS."""

    name: Name
    word: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Negation:
    """Some number of NOT before a part."""

    times: int
    part: Tree


@dataclass(frozen=True, slots=True)
class Junction:
    """`word`: AND or OR."""

    word: str
    parts: tuple[Tree, ...]


Tree = Comparison | Negation | Junction
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_NAME = rf"(?!(?i:AND|OR|NOT|IN|ANY|ALL|ONLY|EXISTS|TRUE|FALSE)\b)[^\W\d]\w*(?:\.(?:[^\W\d]\w*|{_QUOTED}))*"
_PART = re.compile(rf"[^\W\d]\w*|{_QUOTED}", re.DOTALL)
_NUMBER = r"-?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"


def read(text: str) -> Tree:
    """The tree of a filter that `check_bounds` let pass; `FilterError` at the first word that does not fit."""
    try:
        tree: Tree = _FILTER.parse_string(text)[0]
    except pp.ParseBaseException as error:
        position = len(text) - len(text[error.loc :].lstrip())
        expected = error.msg.removeprefix("Expected ")
        raise FilterError(position, seen_at(text, position), expected) from None
    return tree


def _grammar() -> pp.ParserElement:
    value = pp.MatchFirst(
        [
            pp.Regex(_QUOTED, re.DOTALL).set_parse_action(lambda _, at, found: Value(at, unquoted(found[0], at))),
            pp.Regex(_NUMBER).set_parse_action(lambda _, at, found: Value(at, float(found[0]))),
            pp.Regex(r"(?i:true|false)\b").set_parse_action(lambda _, at, found: Value(at, found[0].lower() == "true")),
        ]
    ).set_name('a value: a "text" in double quotes, a number, true or false')
    opening, closing = pp.Suppress("(").set_name("("), pp.Suppress(")")
    values = opening + value - pp.ZeroOrMore(pp.Suppress(",") - value) - closing.copy().set_name("a comma or )")
    name = pp.Regex(_NAME, re.DOTALL).set_parse_action(_name).set_name("the name of a field")
    operator = pp.Regex("<=|>=|!=|=|<|>")
    of_list = pp.Regex(r"(?i:IN|ANY|ALL|ONLY)\b").set_parse_action(lambda found: found[0].upper())
    compared = pp.MatchFirst([operator - value, of_list - values])
    compared.set_name("one of =, !=, <, <=, >, >=, IN (…), ANY (…), ALL (…) and ONLY (…)")
    there = (pp.Suppress(pp.CaselessKeyword("EXISTS")) - name).set_parse_action(
        lambda found: Comparison(found[0], "EXISTS", ())
    )
    comparison = (name - compared).set_parse_action(lambda found: Comparison(found[0], found[1], tuple(found[2:])))
    whole = pp.Forward()
    group = opening - whole - closing.copy().set_name("AND, OR or )")
    part = pp.MatchFirst([group, there, comparison]).set_name("a comparison, NOT, EXISTS or (")
    negation = (pp.ZeroOrMore(pp.CaselessKeyword("NOT")) + part).set_parse_action(_negation)
    conjunction = (negation + pp.ZeroOrMore(pp.CaselessKeyword("AND") - negation)).set_parse_action(_junction)
    whole <<= (conjunction + pp.ZeroOrMore(pp.CaselessKeyword("OR") - conjunction)).set_parse_action(_junction)
    end: pp.ParserElement = pp.StringEnd().set_name("AND, OR or the end")
    return (whole - end).parse_with_tabs().streamline()  # now: threads that parse at once must find it done


def _name(_: str, at: int, found: pp.ParseResults) -> Name:
    parts = tuple(unquoted(part, at) if part[0] == '"' else part for part in _PART.findall(found[0]))
    return Name(at, parts)


def _negation(found: pp.ParseResults) -> Tree:
    part: Tree = found[-1]
    return Negation(len(found) - 1, part) if len(found) > 1 else part


def _junction(found: pp.ParseResults) -> Tree:
    parts: tuple[Tree, ...] = tuple(found[::2])
    return Junction(found[1], parts) if len(found) > 1 else parts[0]


_FILTER = _grammar()
