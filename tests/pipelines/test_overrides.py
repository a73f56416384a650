"""`--set`: a wrong key names the nearest, a wrong type is refused."""

from __future__ import annotations

import pytest

from models.errors import ConfigError
from pipelines.overrides import apply_overrides, leaf_keys

CONFIG = {"name": "x", "seed": 1, "training": {"epochs": 3, "rate": 0.5, "shuffle": True}}


@pytest.mark.parametrize(
    ("override", "expected"),
    [
        ("training.epochs=5", ("epochs", 5)),
        ("training.rate=2", ("rate", 2.0)),
        ("training.rate=1e-3", ("rate", 0.001)),
        (" training.shuffle = false ", ("shuffle", False)),
    ],
)
def test_a_value_takes_the_type_it_replaces(override: str, expected: tuple[str, object]) -> None:
    name, value = expected
    changed = apply_overrides(CONFIG, [override])["training"][name]
    assert changed == value
    assert type(changed) is type(value)


def test_text_is_taken_as_it_stands() -> None:
    assert apply_overrides(CONFIG, ["name=a=b"])["name"] == "a=b"


def test_the_last_of_two_wins_and_the_original_stays() -> None:
    assert apply_overrides(CONFIG, ["seed=2", "seed=3"])["seed"] == 3
    assert CONFIG["seed"] == 1


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.epoch=5", r"no setting 'training\.epoch'. The nearest is 'training\.epochs'"),
        ("sed=5", "The nearest is 'seed'"),
        ("training=5", "no setting 'training'"),
        ("training.epochs", "has no '='"),
        ("training.epochs=many", "expected a int like 3"),
        ("training.epochs=2.5", "expected a int"),
        ("training.epochs=true", "expected a int"),
        ("training.rate=fast", "expected a float"),
        ("training.shuffle=1", "expected a bool like true"),
    ],
)
def test_mistakes(override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        apply_overrides(CONFIG, [override])


def test_leaf_keys_are_dotted() -> None:
    assert leaf_keys(CONFIG) == ["name", "seed", "training.epochs", "training.rate", "training.shuffle"]
