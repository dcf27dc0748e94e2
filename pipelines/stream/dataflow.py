"""The Bytewax dataflow: transport -> views -> online store, with the lake and the dead-letter log beside."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import bytewax.operators as op
import pyarrow as pa
from bytewax.dataflow import Dataflow
from bytewax.operators import KeyedStream, StatefulBatchLogic

from pipelines.partitioning import partition_of
from pipelines.plan import EventTable, PlanError, ViewPlan
from pipelines.semantics.panes.live import EVER
from pipelines.stream.handover import read_handover
from pipelines.stream.intake import EventBatch
from pipelines.stream.online_sink import OnlineSink, RowWriter, ShardRows
from pipelines.stream.outage import Outage, persist
from pipelines.stream.pages import Manifest, PagedArrays
from pipelines.stream.sinks import DeadLetterSink, LakeSink
from pipelines.stream.source import Clock, EventSource
from pipelines.stream.transport.base import EventReader
from pipelines.stream.view_state import Snapshot, ViewState


@dataclass(frozen=True, slots=True)
class Share:
    """The part of a batch that belongs to one shard of a view.

    Attributes:
        shard: The shard.
        partition: The partition that the batch came from.
        events: Its events, perhaps none.
        now: The latest time that the partition knows, microseconds; None for none.
        late_before: The earliest event time, microseconds, that the partition may still give; None where nobody knows.
    """

    shard: int
    partition: int
    events: pa.Table
    now: int | None
    late_before: int | None


@dataclass(frozen=True, slots=True)
class Saved:
    """What one shard of a view keeps for recovery: plain data, safe to pickle.

    Attributes:
        shard: Which shard it is.
        view: The state; without its arrays where these are kept in files.
        kept: The files.
        reached: The latest time of each partition heard of, microseconds.
        settled: The earliest event time that each of them may still give, microseconds.
        frontier: The instant, microseconds, up to which nothing is missing.
    """

    shard: int
    view: Snapshot
    kept: Manifest | None
    reached: dict[int, int]
    settled: dict[int, int]
    frontier: int


def build_dataflow(
    plans: Sequence[ViewPlan],
    reader: EventReader,
    open_writer: Callable[[], RowWriter],
    *,
    dead_letters: Path,
    state: Path | None = None,
    shards: int = 1,
    clock: Clock | None = None,
    land: bool = True,
    snapshots: Path | None = None,
) -> Dataflow:
    """Build the dataflow of all stream views.

    Args:
        plans: The plans; batch views among them are left out.
        reader: Where events come from.
        open_writer: Opens the store of rows, once a worker.
        dead_letters: Folder of the dead-letter log.
        state: Folder that a backfill handed over; None to start empty.
        shards: Parts that each view's entities are cut into; each is held by one worker. Keep it over restarts.
        clock: The wall clock, microseconds, for idle partitions; None in a replay.
        land: Whether events go to the lake.
        snapshots: Folder for the arrays of the state, beside Bytewax's recovery store, so that a snapshot is only what
            changed; None keeps them whole in that store.

    Raises:
        PlanError: Two views read one topic in different ways.
    """
    plans = [plan for plan in plans if plan.kind == "stream"]
    tables = _tables(plans)
    flow = Dataflow("millrace")
    batches = op.input("events", flow, EventSource(reader, tables.values(), clock))
    results = []
    for plan in plans:
        shares = op.flat_map(f"share_{plan.view}", batches, _sharing(plan, shards))
        results.append(
            op.stateful_batch(
                plan.view,
                shares,
                _building(plan, state, shards, reader.partitions(plan.table.topic or plan.table.name), snapshots),
            )
        )
    rows = op.map("by_shard", op.merge("all_rows", *results), lambda item: (str(item[1].shard), item[1]))
    op.output("online", rows, OnlineSink(open_writer, shards))
    op.output("dead_letters", batches, DeadLetterSink(dead_letters))
    if land:
        keyed: KeyedStream[EventBatch] = op.key_on("by_partition", batches, lambda b: f"{b.topic}/{b.partition}")
        op.output("lake", keyed, LakeSink({t: (table, reader.partitions(t)) for t, (table, _) in tables.items()}))
    return flow


class ViewLogic(StatefulBatchLogic[Share, ShardRows, Saved]):
    """One shard of a view inside Bytewax.

    Its time is that of the partition that is furthest, so that values are fresh; what it tells as its frontier is the time
    of the one that is furthest behind, so that up to there nothing is missing.
    """

    def __init__(
        self,
        plan: ViewPlan,
        state: Path | None,
        shards: int,
        partitions: int,
        snapshots: Path | None,
        saved: Saved | None,
    ) -> None:
        """Go on from what was saved; else the first share says which shard this is, and its handover is read."""
        self._plan = plan
        self._handover = None if saved else state
        self._shards = shards
        self._partitions = partitions
        self._snapshots = snapshots
        self._outage = Outage(f"recovery of {plan.view}")
        self._pages: PagedArrays | None = None
        self._shard = saved.shard if saved else -1
        self._reached = dict(saved.reached) if saved else {}
        self._settled = dict(saved.settled) if saved else {}
        self._frontier = saved.frontier if saved else 0
        self._view = ViewState(plan, self._load(saved) if saved else None)

    def on_batch(self, values: list[Share]) -> tuple[Iterable[ShardRows], bool]:
        """Advance by all that has come."""
        shard = self._shard = values[0].shard
        if self._handover is not None:
            events, cut = read_handover(self._handover, self._plan, shard, self._shards)
            self._view.load(events, cut)
            self._frontier = cut - 1
            self._handover = None
        events = pa.concat_tables([share.events for share in values])
        now = max((share.now for share in values if share.now is not None), default=self._view.frontier)
        self._reached |= {share.partition: share.now for share in values if share.now is not None}
        if len(self._reached) == self._partitions:
            self._frontier = max(self._frontier, min(self._reached.values()))
        self._settled |= {share.partition: share.late_before for share in values if share.late_before is not None}
        settled = min(self._settled.values()) if len(self._settled) == self._partitions else EVER
        rows = self._view.advance(events, now, settled)
        return [
            ShardRows(self._plan.view, shard, self._frontier, self._view.frontier, rows, len(events))
        ], StatefulBatchLogic.RETAIN

    def snapshot(self) -> Saved:
        """Return the state for recovery, with its arrays in files where there is a folder for them; a full disk is waited for."""
        view, kept = self._view.snapshot(), None
        if self._snapshots is None:
            arrays = {name: array.copy() for name, array in view.arrays.items()}
        else:
            pages, arrays = self._pages or self._open_pages(self._snapshots), {}
            written: list[Manifest] = []
            persist(self._outage, lambda: written.append(pages.save(view.arrays)))
            self._pages, kept = pages, written[0]
        return Saved(
            self._shard, replace(view, arrays=arrays), kept, dict(self._reached), dict(self._settled), self._frontier
        )

    def _load(self, saved: Saved) -> Snapshot:
        if saved.kept is None or self._snapshots is None:
            return saved.view
        self._pages = self._open_pages(self._snapshots)
        return replace(saved.view, arrays=self._pages.load(saved.kept))

    def _open_pages(self, folder: Path) -> PagedArrays:
        return PagedArrays(folder / f"{self._plan.view}-{self._shard}")


def _building(
    plan: ViewPlan, state: Path | None, shards: int, partitions: int, snapshots: Path | None
) -> Callable[[Saved | None], ViewLogic]:
    return lambda saved: ViewLogic(plan, state, shards, partitions, snapshots, saved)


def _sharing(plan: ViewPlan, shards: int) -> Callable[[EventBatch], list[tuple[str, Share]]]:
    def share(batch: EventBatch) -> list[tuple[str, Share]]:
        if batch.topic != plan.table.topic:
            return []
        if shards == 1:
            return [(f"{plan.view}/0", Share(0, batch.partition, batch.events, batch.now, batch.late_before))]
        shard = partition_of([batch.events[key] for key in plan.keys], shards)
        return [
            (
                f"{plan.view}/{s}",
                Share(s, batch.partition, batch.events.filter(pa.array(shard == s)), batch.now, batch.late_before),
            )
            for s in range(shards)
        ]

    return share


def _tables(plans: Sequence[ViewPlan]) -> dict[str, tuple[EventTable, tuple[str, ...]]]:
    """Return each topic's table and the columns that its events must have."""
    tables: dict[str, tuple[EventTable, tuple[str, ...]]] = {}
    for plan in plans:
        topic = plan.table.topic or plan.table.name
        table, required = tables.get(topic, (plan.table, (plan.table.timestamp, plan.table.event_id)))
        if table != plan.table:
            raise PlanError(
                f"{plan.view}: topic {topic} is declared in two ways; give all its KafkaSources the same schema and tags."
            )
        tables[topic] = table, tuple(dict.fromkeys((*required, *plan.keys)))
    return tables
