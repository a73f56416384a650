"""Names of countries in titles."""

from __future__ import annotations

from pathlib import Path

import pytest

from serve_apps.chain.sources import country_names


def test_a_code_that_nobody_lists_stands_for_itself() -> None:
    assert country_names.country_name("X1") == "X1"
    assert country_names.country_name(None) == ""


def test_the_list_is_read_where_time_zones_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "iso3166.tab").write_text("# a comment\nNO\tNorway\nCI\tCôte d'Ivoire\n", encoding="utf-8")
    monkeypatch.setattr("zoneinfo.TZPATH", (str(tmp_path / "none"), str(tmp_path)))
    country_names.names.cache_clear()
    try:
        assert country_names.country_name("NO") == "Norway"
        assert country_names.country_name("CI") == "Côte d'Ivoire"
    finally:
        country_names.names.cache_clear()


def test_a_machine_without_the_list_has_codes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("zoneinfo.TZPATH", (str(tmp_path),))
    country_names.names.cache_clear()
    try:
        assert country_names.country_name("NO") == "NO"
    finally:
        country_names.names.cache_clear()
