"""Loaded by the client of test_schemathesis.py: values of formats whose rules no schema can say."""

from __future__ import annotations

import schemathesis
from hypothesis import strategies as st

_comparisons = st.one_of(
    st.builds("metadata.year {} {}".format, st.sampled_from(["=", "!=", "<", "<=", ">", ">="]), st.integers(-9, 9999)),
    st.builds('{} ANY ("{}")'.format, st.sampled_from(["categories", "tags"]), st.sampled_from(["c1", "ø", "x y"])),
    st.builds("EXISTS {}".format, st.sampled_from(["title", "categories", "metadata.anything"])),
)
filters = st.recursive(
    _comparisons,
    lambda inner: st.one_of(
        st.builds("({} AND {})".format, inner, inner),
        st.builds("({} OR {})".format, inner, inner),
        st.builds("NOT {}".format, inner),
    ),
    max_leaves=6,
)
schemathesis.openapi.format("filter", filters)
