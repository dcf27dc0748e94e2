"""What a Spark task does: events of some entities in, rows of the feature log out. No Spark in here."""

from collections.abc import Callable, Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.arrange import arrange, log_schema, tabulate, transformed
from pipelines.plan import ViewPlan
from pipelines.semantics.timeline import feature_log

Batches = Iterable[pa.RecordBatch]


def log_task(plan: ViewPlan, start: int, stop: int) -> Callable[[Batches], Iterator[pa.RecordBatch]]:
    """Return the function that turns one partition's events into rows with `start <= event_timestamp < stop`.

    The events of an entity must all be in one partition and reach back `plan.reach` before `start`.
    """

    def compute(batches: Batches) -> Iterator[pa.RecordBatch]:
        received = list(batches)
        if received:
            yield from compute_log(plan, pa.Table.from_batches(received), start, stop)

    return compute


def compute_log(plan: ViewPlan, table: pa.Table, start: int, stop: int) -> Iterator[pa.RecordBatch]:
    """Yield the rows of the feature log, with the UTC day as `date`, that a table of events gives."""
    schema = row_schema(plan, table.schema)
    for block in arrange(plan, table):
        rows = tabulate(plan, block.entities, feature_log(plan.features, block.events, start, stop), schema)
        yield from _with_date(rows).to_batches(max_chunksize=65_536)


def row_schema(plan: ViewPlan, events: pa.Schema) -> pa.Schema:
    """Return the schema of the log without its `date`, given the schema of the raw events."""
    return log_schema(plan, transformed(plan, events.empty_table()).schema)


def _with_date(rows: pa.Table) -> pa.Table:
    return rows.append_column("date", pc.cast(pc.cast(rows["event_timestamp"], pa.date32()), pa.string()))
