"""What a task computes: events of some entities in, rows of the feature log out. No Spark in here."""

from __future__ import annotations

import pyarrow as pa

from pipelines.arrange import arrange, log_schema, tabulate, transformed
from pipelines.plan import ViewPlan
from pipelines.semantics.panes.history import feature_log


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
