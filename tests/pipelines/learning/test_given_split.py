"""A split that a file gives: every pair lands where the file says, and a bad file is refused."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from models.errors import ConfigError, InputError
from pipelines.learning.data.split import CONTEXT, TEST, TRAIN, VALIDATION, SplitConfig, resolve


def labels(config: SplitConfig, items: str) -> list[int]:
    """Labels of ann's clicks, one a letter."""
    events = pl.DataFrame(
        {"user_id": ["ann"] * len(items), "item_id": list(items), "event_type": "click", "timestamp_us": 0}
    )
    return resolve(config, {}).label(events)["label"].to_list()


def write(path: Path, text: str) -> SplitConfig:
    path.write_text(text)
    return SplitConfig("given", given=str(path))


def test_each_pair_goes_where_the_file_says(tmp_path: Path) -> None:
    config = write(tmp_path / "split.csv", "user_id,item_id,part\nann,b,test\nann,c,validation\nbob,a,test\n")
    assert labels(config, "abcab") == [TRAIN, TEST, VALIDATION, CONTEXT, CONTEXT]


def test_without_validation_pairs_a_tenth_of_the_rest_validates_and_none_of_the_test(tmp_path: Path) -> None:
    pl.DataFrame({"user_id": ["ann"], "item_id": ["b"]}).write_parquet(tmp_path / "split.parquet")
    letters = "".join(chr(98 + n) for n in range(2_000))
    config = SplitConfig("given", given=str(tmp_path / "split.parquet"))
    found = labels(config, letters)
    assert found[0] == TEST
    assert 120 < found.count(VALIDATION) < 280
    assert labels(config, letters) == found


def test_lists_as_they_were_shown_are_held_out_with_what_answers_them(tmp_path: Path) -> None:
    split = resolve(write(tmp_path / "split.csv", "recommendation_id,part\nr1,test\nr2,validation\n"), {})
    rows = pl.DataFrame(
        {
            "user_id": "ann",
            "item_id": list("abcaba"),
            "event_type": "click",
            "timestamp_us": 0,
            "recommendation_id": ["r1", "r2", None, "r3", "r2", "r1"],
        }
    )
    assert split.by_recommendation
    assert split.label(rows)["label"].to_list() == [TEST, VALIDATION, TRAIN, TRAIN, CONTEXT, CONTEXT]
    shown = rows.with_columns(pl.lit(None).alias(n) for n in ("answered", "validation_us", "test_us"))
    assert split.label_impressions(shown)["label"].to_list() == [TEST, VALIDATION, TRAIN, TRAIN, VALIDATION, TEST]
    with pytest.raises(ConfigError, match="a split by recommendation_id is for rankers"):
        split.label(rows.drop("recommendation_id"))


def test_a_last_fit_trains_on_what_would_validate() -> None:
    assert labels(SplitConfig(), "abcd") == [TRAIN, TRAIN, VALIDATION, TEST]
    assert labels(SplitConfig(validation=False), "abcd") == [TRAIN, TRAIN, TRAIN, TEST]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("user,item_id\nann,b\n", "lacks user_id; it has user, item_id"),
        ("user_id,item_id,part\nann,b,dev\n", r"has parts \['dev'\]. Use train, validation, test"),
    ],
)
def test_a_bad_file_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        resolve(write(tmp_path / "split.csv", text), {})


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.csv does not exist"):
        resolve(SplitConfig("given", given=str(tmp_path / "nowhere.csv")), {})
    with pytest.raises(ConfigError, match=r"--set split\.given=PATH"):
        resolve(SplitConfig("given"), {})
