"""From one user's candidates to the row that is shown."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.errors import InputError
from models.seeds import generator
from models.selection.blocks import Schedule
from models.selection.boosts import buried
from models.selection.caps import CapState
from models.selection.control import NO_CONTROL, Control
from models.selection.gains import Gains, Relevance
from models.selection.placements import Mark, placements
from models.selection.pool import Pool
from models.selection.relevance import relevance
from models.selection.row import Row
from models.selection.rules import PLAIN, SelectionConfig, needs
from models.vocabulary import Rows


@dataclass(frozen=True, slots=True)
class Selected:
    """The row, parallel arrays [num_shown]. `entries`: places in the pool. `scores`: as the sources gave them, 0 for
    what none found. `propensities`: of each item at its position, given those above it; 1 without exploration.
    """

    entries: Rows
    item_rows: Rows
    scores: NDArray[np.float32]
    sources: tuple[str, ...]
    marks: tuple[Mark, ...]
    propensities: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.entries)


def select(
    pool: Pool,
    limit: int,
    config: SelectionConfig = PLAIN,
    control: Control = NO_CONTROL,
    *,
    now_us: int = 0,
    seed: int = 0,
) -> Selected:
    """The row of at most `limit` items, each once. `seed` is the request's: the same seed, the same row.

    In this order:

    1. relevance: scores of each source to 0 … 1, plus the bonus of freshness, then the boosts (`relevance`);
    2. pins, then promoted items, take their positions (`placements`);
    3. every other position, from the top, among what is left: what the caps let in (`caps`), not buried before buried,
       of the source whose turn it is (`blocks`);
    4. of those the one that gains most, by relevance or by diversity (`mmr`, `dpp`), or one that chance draws
       (`exploration`).

    The row is shorter than `limit` only when nothing is left that may be shown. `InputError` when the pool lacks what
    the rules read (`rules.needs`).
    """
    if limit < 1:
        raise InputError(f"a row has 1 item or more; got {limit}.")
    if config == PLAIN and control == NO_CONTROL and pool.source_of is None:
        return _head(pool, limit)
    _check(pool, config, control)
    worth = relevance(pool, config, control, now_us)
    placed = placements(control, pool, limit)
    caps = None
    if config.caps:
        assert pool.categories is not None
        caps = CapState(config.caps, pool.categories, limit, {at: placed[at].entry for at in placed})
    row = Row(
        pool,
        _gains(pool, config, worth, limit),
        caps,
        None if config.blocks is None else Schedule(config.blocks, pool.sources),
        buried(control.buried, pool.passes),
        config.exploration,
        None if config.exploration is None else generator(seed, "exploration"),
    )
    shown = row.fill(limit, placed)
    entries = np.asarray([one.entry for one in shown], np.int64)
    return Selected(
        entries,
        pool.item_rows[entries],
        pool.scores[entries],
        tuple(pool.source(one.entry) for one in shown),
        tuple(one.mark for one in shown),
        np.asarray([one.propensity for one in shown], np.float64),
    )


def _head(pool: Pool, limit: int) -> Selected:
    num = min(limit, pool.num_ranked)
    return Selected(
        np.arange(num),
        pool.item_rows[:num],
        pool.scores[:num],
        pool.sources * num,
        (Mark.RANKED,) * num,
        np.ones(num),
    )


def _gains(pool: Pool, config: SelectionConfig, worth: NDArray[np.float64], limit: int) -> Gains:
    if config.diversity is None:
        return Relevance(worth)
    assert pool.vectors is not None
    return config.diversity.start(worth, pool.vectors, limit)


def _check(pool: Pool, config: SelectionConfig, control: Control) -> None:
    needed = needs(config, control)
    held = {"vectors": pool.vectors, "categories": pool.categories, "published_us": pool.published_us}
    asked = {"vectors": needed.vectors, "categories": needed.categories, "published_us": needed.published}
    lacking = [name for name in held if asked[name] and held[name] is None]
    lacking += [f"passes of {text!r}" for text in needed.filters if text not in pool.passes]
    if lacking:
        raise InputError(f"these rules read {', '.join(lacking)}, and the pool has none. Fetch them, or drop the rule.")
    parallel = (pool.scores, pool.source_of, pool.vectors, pool.categories, pool.published_us, *pool.passes.values())
    if any(one is not None and len(one) != len(pool) for one in parallel):
        lengths = [len(one) for one in parallel if one is not None]
        raise InputError(f"a pool's arrays differ in length: {len(pool)} rows beside {lengths}.")
