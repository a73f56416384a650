"""Loaded by the client of test_schemathesis.py: values of formats whose rules no schema can say, and one check."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import schemathesis
from hypothesis import strategies as st
from schemathesis.core.failures import AcceptedNegativeData
from schemathesis.specs.openapi.checks import negative_data_rejection

_STARTED = datetime.now(UTC).replace(microsecond=0)
_years = st.builds(
    "metadata.year {} {}".format, st.sampled_from(["=", "!=", "<", "<=", ">", ">="]), st.integers(0, 9999)
)
_names = st.sampled_from(['"c1"', '"ø"', '"x y", "c2"'])
_listed = st.builds(
    "{} {} ({})".format, st.sampled_from(["categories", "tags"]), st.sampled_from(["ANY", "ALL"]), _names
)
_there = st.sampled_from(["EXISTS title", "exists metadata.nothing", "available = true"])
_filters = st.recursive(
    st.one_of(_years, _listed, _there),
    lambda inner: st.one_of(
        st.builds("({} AND {})".format, inner, inner),
        st.builds("({} OR {})".format, inner, inner),
        st.builds("NOT {}".format, inner),
    ),
    max_leaves=6,
)
schemathesis.openapi.format("filter", _filters)
# Events are of the year before now.
_moments = st.integers(0, 300 * 86_400).map(lambda age: _STARTED - timedelta(seconds=age))
schemathesis.openapi.format("date-time", _moments.map(lambda moment: moment.isoformat().replace("+00:00", "Z")))
_TOO_LONG = (414, 431)
"""A refusal too, which the client has not among those it knows."""


@schemathesis.check
def bad_entries_are_rejected(
    ctx: schemathesis.CheckContext, response: schemathesis.Response, case: schemathesis.Case
) -> bool | None:
    """What the schema does not allow is refused whole, or as one entry of a batch."""
    try:
        return negative_data_rejection(ctx, response, case)
    except AcceptedNegativeData:
        if response.status_code in _TOO_LONG or (response.status_code == 200 and response.json().get("rejected")):
            return None
        raise
