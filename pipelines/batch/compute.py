"""What a Spark task does: events of some entities in, files of the feature log out. No Spark in here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import pyarrow as pa

from pipelines.arrange import arrange, log_schema, tabulate, transformed
from pipelines.batch.lake import DAY
from pipelines.batch.log_files import WRITTEN, write_days
from pipelines.plan import ViewPlan
from pipelines.semantics.panes.history import feature_log

Batches = Iterable[pa.RecordBatch]


def log_task(plan: ViewPlan, start: int, stop: int, staging: str) -> Callable[[Batches], Iterator[pa.RecordBatch]]:
    """Return the function that turns one partition's events into files of rows with `start <= event_timestamp < stop`.

    The events of an entity must all be in one partition and reach back `plan.reach` before `start`. It yields what it
    wrote to the staging folder.
    """

    def compute(batches: Batches) -> Iterator[pa.RecordBatch]:
        received = list(batches)
        if received:
            files = write_days(compute_log(plan, pa.Table.from_batches(received), start, stop, DAY), staging)
            yield pa.RecordBatch.from_pylist([{"date": f.date, "file": f.file, "rows": f.rows} for f in files], WRITTEN)

    return compute


def compute_log(plan: ViewPlan, table: pa.Table, start: int, stop: int, hop: int = 0) -> pa.Table:
    """Return the rows of the feature log that a table of events gives, by (entity, `event_timestamp`).

    With a `hop`, microseconds, rows of one hop of time lie together in each chunk of the table.
    """
    schema = row_schema(plan, table.schema)
    rows = [
        tabulate(plan, block.entities, feature_log(plan.features, block.events, start, stop, hop), schema)
        for block in arrange(plan, table)
    ]
    return pa.concat_tables(rows) if rows else schema.empty_table()


def row_schema(plan: ViewPlan, events: pa.Schema) -> pa.Schema:
    """Return the schema of the log without its `date`, given the schema of the raw events."""
    return log_schema(plan, transformed(plan, events.empty_table()).schema)
