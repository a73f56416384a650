"""A mask says the same once it has crossed a hop, in the fewest bytes."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from models.index.packed_rows import PackedRows

MILLION = 1_000_000


@given(arrays(np.bool_, st.integers(0, 300)))
def test_what_is_packed_is_unpacked(mask: np.ndarray) -> None:
    packed = pickle.loads(pickle.dumps(PackedRows.of(mask)))
    assert packed.allowed().mask.tolist() == mask.tolist()
    assert packed.share == pytest.approx(mask.mean() if len(mask) else 0.0)
    assert packed.digest == PackedRows.of(mask.copy()).digest


@given(arrays(np.bool_, st.integers(1, 300)), st.data())
def test_other_rows_have_another_digest(mask: np.ndarray, data: st.DataObject) -> None:
    other = mask.copy()
    other[data.draw(st.integers(0, len(mask) - 1))] ^= True
    assert PackedRows.of(mask).digest != PackedRows.of(other).digest
    assert PackedRows.of(mask).digest != PackedRows.of(np.append(mask, False)).digest


@pytest.mark.parametrize(
    ("num_allowed", "form", "num_bytes"),
    [(1_000, "rows", 4_000), (MILLION - 1_000, "others", 4_000), (MILLION // 2, "bits", 125_000), (0, "rows", 0)],
)
def test_a_million_rows_take_few_bytes(num_allowed: int, form: str, num_bytes: int) -> None:
    mask = np.zeros(MILLION, np.bool_)
    mask[:num_allowed] = True
    packed = PackedRows.of(mask)
    assert (packed.form, len(packed.data)) == (form, num_bytes)
