"""What a Spark task does: events of some entities in, files of feature logs out, for one view or several. No Spark in here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.batch.compute import compute_log
from pipelines.batch.lake import DAY
from pipelines.batch.log_files import write_days
from pipelines.plan import ViewPlan

FOR_VIEW: Final = "millrace_view"
"""The column that says for which of several views an event is: a number."""

BY_KEY: Final = "millrace_key"
"""The column whose equal values must come to one task."""

RESULT: Final = "view long, events long, date string, file string, rows long"
"""What a task gives back, as Spark's DDL writes it: a row for each view with its events, and one for each file."""

_RESULT = pa.schema(
    [("view", pa.int64()), ("events", pa.int64()), ("date", pa.string()), ("file", pa.string()), ("rows", pa.int64())]
)


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


def fill_task(parts: Sequence[Part]) -> Callable[[Iterable[pa.RecordBatch]], Iterator[pa.RecordBatch]]:
    """Return the function that turns one partition's events into files of rows.

    All events of an entity that reach back far enough must be in one partition. Where there are several parts, each event
    comes once for each of them, with its number in `FOR_VIEW`.
    """

    def fill(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        received = list(batches)
        if not received:
            return
        table = pa.Table.from_batches(received)
        for number, part in enumerate(parts):
            events = table if len(parts) == 1 else _events_for(table, number)
            if len(events):
                files = write_days(compute_log(part.plan, events, part.start, part.stop, DAY), part.staging)
                rows = [
                    {"view": number, "events": 0, "date": one.date, "file": one.file, "rows": one.rows} for one in files
                ]
                yield pa.RecordBatch.from_pylist([{"view": number, "events": len(events), "rows": 0}, *rows], _RESULT)

    return fill


def _events_for(table: pa.Table, number: int) -> pa.Table:
    return table.filter(pc.equal(table[FOR_VIEW], number)).drop_columns([FOR_VIEW, BY_KEY])
