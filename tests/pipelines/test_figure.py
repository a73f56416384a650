"""Figures are SVG documents that do not change from run to run."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

from pipelines.figure import svg


def line(figure: Any) -> None:
    axes = figure.subplots()
    axes.plot([1, 2, 3], label="loss")
    axes.legend()


def test_is_a_document_with_its_words_as_text() -> None:
    root = ElementTree.fromstring(svg(line))
    assert root.tag.endswith("svg")
    assert "loss" in "".join(root.itertext())


def test_the_same_figure_gives_the_same_bytes() -> None:
    assert svg(line) == svg(line)
