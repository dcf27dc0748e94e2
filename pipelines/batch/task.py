"""What Spark's tasks do: events of the lake in, files of feature logs out, for one view or several. No Spark in here.

There are two kinds. One reads files of the lake and hands each entity's events on to the task that its key says, as Arrow's
own bytes: Spark carries a few large values and not rows. The other follows whole entities and writes their rows. A few tasks
are not worth the handing on: each of them reads all the files and keeps what its own entities have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa

from pipelines.arrange import needed_columns, number_entities, refuse_incomplete
from pipelines.batch.compute import log_tables
from pipelines.batch.event_files import EventFiles, read_events
from pipelines.batch.lake import DAY
from pipelines.batch.log_files import DayFile, write_days
from pipelines.partitioning import partition_of
from pipelines.plan import ViewPlan

EVENTS_AT_ONCE = 1_000_000  # that a task reads before it hands them on

Handed = tuple[int, tuple[int, bytes]]
"""Which task gets them, for which view they are, and the events: Arrow's bytes."""


@dataclass(frozen=True, slots=True)
class Part:
    """One view's part of a job.

    Attributes:
        plan: The view's plan.
        start: The first instant of its rows, microseconds.
        stop: The end of them, itself outside.
        staging: The folder to write to.
    """

    plan: ViewPlan
    start: int
    stop: int
    staging: str


@dataclass(frozen=True, slots=True)
class Done:
    """What a task did for one view: the events that it was given, and the files of rows that it wrote."""

    view: int
    events: int
    files: tuple[DayFile, ...]


def share_task(
    plans: Sequence[ViewPlan], start: int, stop: int, tasks: int
) -> Callable[[Iterable[EventFiles]], Iterator[Handed]]:
    """Return the function that reads files and hands their events with `start <= event time < stop` on, by entity.

    Args:
        plans: The views, all of one table.
        start: The first instant, microseconds.
        stop: The end, itself outside.
        tasks: Among how many tasks the entities are shared.
    """

    def share(given: Iterable[EventFiles]) -> Iterator[Handed]:
        for files in given:
            for view, events in _events_of(plans, files, start, stop):
                for task, some in _by_entity(events, plans[view].keys, tasks):
                    yield task, (view, _bytes_of(some))

    return share


def fill_task(parts: Sequence[Part]) -> Callable[[Iterable[Handed]], Iterator[Done]]:
    """Return the function that turns the events of whole entities into files of rows; these must reach back far enough."""

    def fill(given: Iterable[Handed]) -> Iterator[Done]:
        received: dict[int, list[pa.Table]] = {}
        for _, (view, events) in given:
            received.setdefault(view, []).append(pa.ipc.open_stream(events).read_all())
        yield from _fill(parts, received)

    return fill


def read_and_fill_task(
    parts: Sequence[Part], files: EventFiles, start: int, stop: int, tasks: int
) -> Callable[[Iterable[int]], Iterator[Done]]:
    """Return the function that does for a task, given by its number, what `share_task` and `fill_task` do together."""
    plans = [part.plan for part in parts]

    def fill(given: Iterable[int]) -> Iterator[Done]:
        for task in given:
            received: dict[int, list[pa.Table]] = {}
            for view, events in _events_of(plans, files, start, stop):
                number, entities = number_entities(events, plans[view].keys)
                mine = partition_of([entities[name] for name in plans[view].keys], tasks) == task
                received.setdefault(view, []).append(events.filter(pa.array(mine[number])))
            yield from _fill(parts, received)

    return fill


def _events_of(plans: Sequence[ViewPlan], files: EventFiles, start: int, stop: int) -> Iterator[tuple[int, pa.Table]]:
    """Yield the events of files for each view in turn, with the columns that it needs."""
    table = plans[0].table
    whole = any(plan.transform for plan in plans)
    columns = None if whole else list(dict.fromkeys(name for plan in plans for name in needed_columns(plan)))
    for events in read_events(files, columns, table.timestamp, start, stop, EVENTS_AT_ONCE):
        for view, plan in enumerate(plans):
            refuse_incomplete(plan, events)
            yield view, events if plan.transform else events.select(needed_columns(plan))


def _fill(parts: Sequence[Part], received: dict[int, list[pa.Table]]) -> Iterator[Done]:
    for view in sorted(received):
        part, events = parts[view], pa.concat_tables(received.pop(view))
        tables = log_tables(part.plan, events, part.start, part.stop, DAY)
        yield Done(view, len(events), tuple(write_log(tables, part.staging)))


def write_log(tables: Iterable[pa.Table], staging: str) -> Iterator[DayFile]:
    """Write rows to a staging folder, those of a day when the next day's have begun: no more than that is held.

    Args:
        tables: Rows, as `log_tables` gives them.
        staging: The folder.
    """
    held: dict[int, list[pa.RecordBatch]] = {}
    newest = -1
    for table in tables:
        days = _by_day(table)
        if min(days) < newest:
            yield from _write_days(held, sorted(held), staging)
        for day, batches in days.items():
            held.setdefault(day, []).extend(batches)
        newest = max(days)
        yield from _write_days(held, [day for day in sorted(held) if day < newest], staging)
    yield from _write_days(held, sorted(held), staging)


def _by_day(table: pa.Table) -> dict[int, list[pa.RecordBatch]]:
    days: dict[int, list[pa.RecordBatch]] = {}
    for batch in table.to_batches():
        day = batch["event_timestamp"].cast(pa.int64()).to_numpy() // DAY
        starts = np.flatnonzero(np.diff(day, prepend=day[0] - 1)).tolist()
        for first, last in pairwise([*starts, len(day)]):
            days.setdefault(int(day[first]), []).append(batch.slice(first, last - first))
    return days


def _write_days(held: dict[int, list[pa.RecordBatch]], days: Sequence[int], staging: str) -> Iterator[DayFile]:
    for day in days:
        yield from write_days(pa.Table.from_batches(held.pop(day)).combine_chunks(), staging)


def _by_entity(events: pa.Table, keys: Sequence[str], tasks: int) -> Iterator[tuple[int, pa.Table]]:
    """Yield events by the task that follows their entities."""
    number, entities = number_entities(events, keys)
    task = partition_of([entities[name] for name in keys], tasks).astype(np.uint16 if tasks < 2**16 else np.int64)[
        number
    ]
    order = np.argsort(task, kind="stable")
    events, edges = events.take(pa.array(order)), np.searchsorted(task[order], np.arange(tasks + 1))
    for one in range(tasks):
        if edges[one] < edges[one + 1]:
            yield one, events.slice(edges[one], edges[one + 1] - edges[one])


def _bytes_of(events: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, events.schema) as stream:
        stream.write_table(events)
    return bytes(sink.getvalue())
