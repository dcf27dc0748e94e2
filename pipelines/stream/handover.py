"""Reads the state that a backfill left at its cut, so that a stream starts warm."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.partitioning import partition_of
from pipelines.plan import ViewPlan


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


def read_handover(state: Path, plan: ViewPlan, shard: int, shards: int) -> tuple[pa.Table, int]:
    """Return the events of one shard that still matter at the cut, and the cut in microseconds.

    Raises:
        HandoverError: The backfill has not handed over this view, or did not finish.
    """
    cut = read_cut(state, plan)
    topic = plan.table.schema()
    needed = dict.fromkeys((*plan.keys, plan.table.timestamp, plan.table.event_id, *plan.inputs))
    names = topic.names if plan.transform else [name for name in needed if name in topic.names]
    table = pq.ParquetDataset(str(state / plan.view / "events")).read(columns=names)
    table = table.select(names).cast(pa.schema([topic.field(name) for name in names]))
    if shards > 1:
        table = table.take(pa.array(np.flatnonzero(partition_of([table[k] for k in plan.keys], shards) == shard)))
    return table, cut
