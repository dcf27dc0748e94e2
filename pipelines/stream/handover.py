"""Reads the state that a backfill left at its cut, so that a stream starts warm."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds

from pipelines.partitioning import partition_of
from pipelines.plan import ViewPlan

DAY: Final = 86_400_000_000


class HandoverError(ValueError):
    """There is no finished handover for a view."""


def read_cut(state: Path, plan: ViewPlan) -> int:
    """Return the instant, microseconds, at which a backfill handed over a view.

    Raises:
        HandoverError: The backfill has not handed over this view, or did not finish.
    """
    mark = state / plan.view / "cut.json"
    if not mark.is_file():
        raise HandoverError(
            f"{plan.view}: no handover in {mark.parent}; run `make backfill` first, or start the stream with COLD=1."
        )
    return int(json.loads(mark.read_text())["cut"])


def read_handover(state: Path, plan: ViewPlan, shard: int, shards: int) -> Iterator[tuple[pa.Table, int]]:
    """Yield the events of one shard that still matter at the cut, day by day, each with the instant at which its day ends.

    Instants are microseconds; the last one is the cut. So memory is that of a day's events, however long the windows are.

    Raises:
        HandoverError: The backfill has not handed over this view, or did not finish.
    """
    cut, time = read_cut(state, plan), plan.table.timestamp
    topic = plan.table.schema()
    needed = dict.fromkeys((*plan.keys, time, plan.table.event_id, *plan.inputs))
    names = topic.names if plan.transform else [name for name in needed if name in topic.names]
    events = ds.dataset(str(state / plan.view / "events"), format="parquet")
    kind = events.schema.field(time).type
    midnight = cut - cut % DAY
    days = -(-plan.reach // DAY) + 1
    for start, stop in pairwise(range(midnight - days * DAY, midnight + 2 * DAY, DAY)):
        first, end = (pa.scalar(t, pa.int64()).cast(pa.timestamp("us", "UTC")).cast(kind) for t in (start, stop))
        table = events.to_table(names, filter=(ds.field(time) >= first) & (ds.field(time) < end))
        table = table.cast(pa.schema([topic.field(name) for name in names]))
        if shards > 1:
            table = table.take(pa.array(np.flatnonzero(partition_of([table[k] for k in plan.keys], shards) == shard)))
        if len(table) or stop > cut:
            yield table, min(stop, cut)
