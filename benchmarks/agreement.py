"""Stream against backfill over a whole history: every row that the live state gives is held against the feature log, bit for bit.

`python -m benchmarks.agreement --events FILE.parquet [--repo feature_repo] [--batch 1000] [--shuffle 600]`. The file has the
columns of the topics. Events go through the live state of every stream view in batches, disordered by up to `--shuffle` seconds
of the lateness; the log comes from the batch engine at once. A row given must be the log's row of that entity and instant,
and at the end the last row of every entity must have been given. Disordered, a row given before a late event came is
corrected by one given after it, perhaps with a later time (rule 7): then only the last values are held against the log.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from pipelines.arrange import times
from pipelines.batch.compute import compute_log
from pipelines.plan import ViewPlan
from pipelines.plan_view import plan_views
from pipelines.stream.view_state import ViewState
from workspace.workspace import Workspace, read_declarations

Ints = npt.NDArray[np.int64]


def main() -> int:
    """Compare and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repo", type=Path, default=Path("feature_repo"))
    parser.add_argument("--events", type=Path, required=True)
    parser.add_argument("--batch", type=int, default=1000)
    parser.add_argument("--shuffle", type=float, default=0.0, help="seconds")
    given = parser.parse_args()
    declared = read_declarations(Workspace.from_env({"REPO": str(given.repo)}))
    wrong = 0
    for plan in plan_views(declared):
        if plan.kind == "stream":
            wrong += compare(plan, pq.read_table(given.events), given.batch, given.shuffle)
    return 1 if wrong else 0


def compare(plan: ViewPlan, events: pa.Table, batch: int, shuffle: float) -> int:
    """Print what was compared of a view, and return how many values differ."""
    schema = plan.table.schema()
    events = events.select(schema.names).cast(schema)
    ts = times(events[plan.table.timestamp])
    came = ts + np.random.default_rng(7).integers(0, int(shuffle * 1e6) + 1, len(ts))
    events = events.take(pa.array(np.argsort(came, kind="stable")))
    began = time.perf_counter()
    rows = stream_rows(plan, events, batch)
    stop = int(ts.max()) + plan.table.known_after + 1
    log = compute_log(plan, events, 0, stop + 1)
    by: tuple[str, ...] = plan.keys
    if shuffle:
        rows, log = last_rows(plan, rows), last_rows(plan, log)
    else:
        by = (*plan.keys, "event_timestamp")
    wrong, compared = differences(plan, by, rows, log)
    ends, last = last_rows(plan, rows), last_rows(plan, log)
    missing = len(last) - matched(by, ends, last)[0].size
    took = time.perf_counter() - began
    print(
        f"  {plan.view:20} {len(events):>10,} events  {len(log):>10,} rows of the log  {len(rows):>10,} given"
        f"  {compared - wrong:>12,} of {compared:,} values equal, {missing} last rows missing  {took:5.1f} s",
        flush=True,
    )
    return wrong + missing


def stream_rows(plan: ViewPlan, events: pa.Table, batch: int) -> pa.Table:
    """Return all rows that the live state gives."""
    state, given, newest = ViewState(plan), [], 0
    for start in range(0, len(events), batch):
        part = events.slice(start, batch)
        newest = max(newest, int(times(part[plan.table.timestamp]).max()))
        rows = state.advance(part, newest + plan.table.known_after + 1, newest - plan.table.lateness)
        if rows is not None:
            given.append(rows)
    return pa.concat_tables(given)


def differences(plan: ViewPlan, by: Sequence[str], rows: pa.Table, log: pa.Table) -> tuple[int, int]:
    """Return how many values of rows differ from the log's, those of rows that it does not have among them, and how many there are."""
    mine, its = matched(by, rows, log)
    wrong = (len(rows) - len(mine)) * len(plan.features)
    left, right = rows.take(pa.array(mine)), log.take(pa.array(its))
    for feature in plan.features:
        a, b = (table[feature.name].combine_chunks() for table in (left, right))
        if not a.equals(b):
            same = [x == y for x, y in zip(a.to_pylist(), b.to_pylist(), strict=True)]
            wrong += same.count(False)
            print(f"  {plan.view}.{feature.name}: {same.count(False)} differ", file=sys.stderr)
    return wrong, len(rows) * len(plan.features)


def matched(by: Sequence[str], rows: pa.Table, log: pa.Table) -> tuple[Ints, Ints]:
    """Return the positions of rows that are in the log, and where they are there."""
    numbers = [np.zeros(len(rows), np.int64), np.zeros(len(log), np.int64)]
    for name in by:
        column = pa.concat_arrays([pa.chunked_array(t[name]).combine_chunks() for t in (rows, log)])
        codes = pc.dictionary_encode(column).indices.to_numpy().astype(np.int64)
        width = int(codes.max()) + 1
        numbers = [numbers[0] * width + codes[: len(rows)], numbers[1] * width + codes[len(rows) :]]
    _, mine, its = np.intersect1d(*numbers, assume_unique=True, return_indices=True)
    return mine, its


def last_rows(plan: ViewPlan, rows: pa.Table) -> pa.Table:
    """Return the last row of each entity; of several of one instant, the one given last."""
    numbered = rows.append_column("at", pa.array(np.arange(len(rows))))
    order = numbered.sort_by(
        [*((key, "ascending") for key in plan.keys), ("event_timestamp", "ascending"), ("at", "ascending")]
    )
    last = np.ones(len(order), np.bool_)
    last[:-1] = False
    for key in plan.keys:
        column = order[key].combine_chunks()
        last[:-1] |= pc.not_equal(column[:-1], column[1:]).to_numpy(zero_copy_only=False)
    return order.filter(pa.array(last)).drop(["at"])


if __name__ == "__main__":
    sys.exit(main())
