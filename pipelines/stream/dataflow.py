"""The Bytewax dataflow: transport -> views -> online store, with the lake and the dead-letter log beside."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import bytewax.operators as op
import pyarrow as pa
from bytewax.dataflow import Dataflow
from bytewax.operators import KeyedStream

from pipelines.partitioning import partition_of
from pipelines.plan import EventTable, PlanError, ViewPlan
from pipelines.semantics.panes.live import EVER
from pipelines.stream.intake import EventBatch
from pipelines.stream.log_sink import LogSink
from pipelines.stream.online_sink import OnlineSink, RowWriter
from pipelines.stream.rescale import FLOW, Generation, Saved, read_generation
from pipelines.stream.sinks import DeadLetterSink, LakeSink
from pipelines.stream.source import Clock, EventSource
from pipelines.stream.store_watch import StoreWatch
from pipelines.stream.transport.base import EventReader
from pipelines.stream.view_logic import Share, ViewLogic, log_step


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
    watch: StoreWatch | None = None,
    logs: bool = False,
    stored: Mapping[str, int] | None = None,
) -> Dataflow:
    """Build the dataflow of all stream views.

    Args:
        plans: The plans; batch views among them are left out.
        reader: Where events come from.
        open_writer: Opens the store of rows, once a worker.
        dead_letters: Folder of the dead-letter log.
        state: Folder that a backfill handed over; None to start empty.
        shards: Parts that each view's entities are cut into; each is held by one worker. Where it is another than before a
            restart, `rescale` must have been called.
        clock: The wall clock, microseconds, for idle partitions; None in a replay.
        land: Whether events go to the lake.
        snapshots: Folder for the arrays of the state, beside Bytewax's recovery store, so that a snapshot is only what
            changed; None keeps them whole in that store.
        watch: Sees when the online store is another one, which lacks the rows; None for a store that never is.
        logs: Whether the views' feature logs are written as well, by a second state that waits until nothing may come any more.
        stored: By view, the instant, microseconds, up to which runs before this one may have stored rows.

    Raises:
        PlanError: Two views read one topic in different ways.
    """
    plans = [plan for plan in plans if plan.kind == "stream"]
    tables = _tables(plans)
    flow = Dataflow(FLOW)
    # Read when the first state is asked for: whoever starts the stream may have to make the recovery store before.
    generation = cache(lambda: replace(read_generation(snapshots), shards=shards))
    batches = op.input("events", flow, EventSource(reader, tables.values(), clock))
    results, rows_of_logs = [], []
    for plan in plans:
        shares = op.flat_map(f"share_{plan.view}", batches, _sharing(plan, shards))
        results.append(
            op.stateful_batch(
                plan.view,
                shares,
                _building(
                    plan,
                    state,
                    generation,
                    reader.partitions(plan.table.topic_name),
                    snapshots,
                    watch,
                    stored=(stored or {}).get(plan.view, EVER),
                ),
            )
        )
        if logs:
            build = _building(
                plan, state, generation, reader.partitions(plan.table.topic_name), snapshots, None, log=True
            )
            rows_of_logs.append(op.stateful_batch(log_step(plan.view), shares, build))
    if rows_of_logs:
        sink = LogSink({plan.view: plan.log for plan in plans}, lambda: max(shards, generation().most), snapshots)
        op.output("logs", op.merge("all_logs", *rows_of_logs), sink)
    rows = op.map("by_shard", op.merge("all_rows", *results), lambda item: (str(item[1].shard), item[1]))
    op.output("online", rows, OnlineSink(open_writer, lambda: max(shards, generation().most)))
    op.output("dead_letters", batches, DeadLetterSink(dead_letters))
    if land:
        keyed: KeyedStream[EventBatch] = op.key_on("by_partition", batches, lambda b: f"{b.topic}/{b.partition}")
        op.output("lake", keyed, LakeSink({t: (table, reader.partitions(t)) for t, (table, _) in tables.items()}))
    return flow


def _building(
    plan: ViewPlan,
    state: Path | None,
    generation: Callable[[], Generation],
    partitions: int,
    snapshots: Path | None,
    watch: StoreWatch | None,
    *,
    log: bool = False,
    stored: int = EVER,
) -> Callable[[Saved | None], ViewLogic]:
    return lambda saved: ViewLogic(
        plan, state, generation(), partitions, snapshots, watch, saved, log=log, stored=stored
    )


def _sharing(plan: ViewPlan, shards: int) -> Callable[[EventBatch], list[tuple[str, Share]]]:
    def share(batch: EventBatch) -> list[tuple[str, Share]]:
        if batch.topic != plan.table.topic_name:
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
        topic = plan.table.topic_name
        table, required = tables.get(topic, (plan.table, (plan.table.timestamp, plan.table.event_id)))
        if table != plan.table:
            raise PlanError(
                f"{plan.view}: topic {topic} is declared in two ways; give all its KafkaSources the same schema and tags."
            )
        tables[topic] = table, tuple(dict.fromkeys((*required, *plan.keys)))
    return tables
