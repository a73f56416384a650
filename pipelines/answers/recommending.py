"""Top-k for every user, block by block: a block of sequences in, a block of answers out, nothing users × items."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from cluster.commands.console import progress
from cluster.delta.lake import Lake
from models.candidates import Candidates
from models.errors import InputError
from models.recommender import NUM_CANDIDATES, Recommender
from models.user_state import UserState
from pipelines.answers.bundle import recommender_at
from pipelines.answers.parquet_out import write_parquet
from pipelines.answers.states import states, without_events
from pipelines.learning.data.sequences import sequences

_BLOCK_USERS = 1_024
RECOMMENDATIONS = pa.schema(
    [("user_id", pa.string()), ("rank", pa.int32()), ("item_id", pa.string()), ("score", pa.float32())]
)


def recommend_all(
    lake: Lake, registry_uri: str, version: str, users: Sequence[str] | None, k: int, exclude_seen: bool, out: Path
) -> int:
    """Write `k` items for each user (all of the lake's, or those of `users`); returns the number of rows.

    Users without events are answered by their profiles, and those without either get the popular items.
    """
    wanted = None if users is None else set(users)
    log = sequences(lake, seed=0, users=wanted)
    answered = log.map_batches(
        answer_block,
        batch_format="pyarrow",
        batch_size=_BLOCK_USERS,
        fn_kwargs={"registry_uri": registry_uri, "version": version, "k": k, "exclude_seen": exclude_seen},
    )
    blocks = answered.iter_batches(batch_size=None, batch_format="pyarrow")
    return write_parquet(_with_strangers(blocks, lake, registry_uri, version, wanted, k), RECOMMENDATIONS, out)


def answer_block(block: pa.Table, registry_uri: str, version: str, k: int, exclude_seen: bool) -> pa.Table:
    """Recommendations for one block of sequences, in its order."""
    return answer(recommender_at(registry_uri, version), states(block, datetime.now(UTC)), k, exclude_seen)


def answer(recommender: Recommender, users: Sequence[UserState], k: int, exclude_seen: bool) -> pa.Table:
    """The same chain as serving: retrieve, rank, cut. What a user hid never appears."""
    if not users:  # as in an empty block of Ray Data
        return RECOMMENDATIONS.empty_table()
    exclude = [user.seen if exclude_seen else user.hidden for user in users]
    found = recommender.retrieve(users, max(NUM_CANDIDATES, k), exclude)
    ranked = recommender.rank(users, found)
    chosen = [
        r.head(k) if recommender.has_signal(user) else recommender.popular(user.country, k, barred)
        for r, user, barred in zip(ranked, users, exclude, strict=True)
    ]
    return _rows(recommender, [user.user_id for user in users], chosen)


def read_users(source: str) -> list[str] | None:
    """None for `all`; else the ids of a Parquet or CSV file (column `user_id`) or of a text file (one a line)."""
    if source == "all":
        return None
    path = Path(source)
    try:
        if path.suffix == ".parquet":
            column = pq.read_table(path, columns=["user_id"])["user_id"]
        elif path.suffix == ".csv":
            column = pyarrow.csv.read_csv(path)["user_id"]
        else:
            return list(dict.fromkeys(line.strip() for line in path.read_text().splitlines() if line.strip()))
    except (OSError, KeyError, UnicodeDecodeError, pa.ArrowInvalid) as error:
        raise InputError(f"users file {source} cannot be read: {error}. Give a file with a column user_id.") from error
    return list(dict.fromkeys(column.cast(pa.string()).to_pylist()))


def _with_strangers(
    blocks: Iterator[pa.Table], lake: Lake, registry_uri: str, version: str, wanted: set[str] | None, k: int
) -> Iterator[pa.Table]:
    """All blocks, then the wanted users that no block answered."""
    left = set(wanted or ())
    with progress() as bar:
        task = bar.add_task("recommend: rows written", total=None if wanted is None else len(wanted) * k)
        for block in blocks:
            left.difference_update(block["user_id"].to_pylist())
            bar.advance(task, len(block))
            yield block
        strangers = without_events(lake, left, datetime.now(UTC))
        while users := list(islice(strangers, _BLOCK_USERS)):
            block = answer(recommender_at(registry_uri, version), users, k, False)
            bar.advance(task, len(block))
            yield block


def _rows(recommender: Recommender, user_ids: Sequence[str], answers: Sequence[Candidates]) -> pa.Table:
    lengths = [len(answer) for answer in answers]
    ids = recommender.items.ids
    return pa.table(
        {
            "user_id": pa.array(np.repeat(np.asarray(user_ids, object), lengths), pa.string()),
            "rank": pa.array(np.concatenate([np.arange(1, n + 1) for n in lengths]), pa.int32()),
            "item_id": pa.array([ids[row] for answer in answers for row in answer.item_rows], pa.string()),
            "score": pa.array(np.concatenate([answer.scores for answer in answers]), pa.float32()),
        }
    )
