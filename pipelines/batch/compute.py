"""What a task computes: events of some entities in, rows of the feature log out. No Spark in here."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

from pipelines.arrange import arrange, log_schema, tabulate, transformed
from pipelines.plan import ViewPlan
from pipelines.semantics.panes.history import feature_log, log_parts


def compute_log(plan: ViewPlan, table: pa.Table, start: int, stop: int) -> pa.Table:
    """Return the rows of the feature log that a table of events gives, by (entity, `event_timestamp`)."""
    schema, block = row_schema(plan, table.schema), arrange(plan, table)
    return tabulate(plan, block.entities, feature_log(plan.features, block.events, start, stop), schema)


def log_tables(plan: ViewPlan, table: pa.Table, start: int, stop: int, hop: int) -> Iterator[pa.Table]:
    """Yield the rows of `compute_log` in tables that follow one another in time, of bounded size; one that goes back in time
    begins anew with other entities. In each of a table's chunks, rows of one hop of time, microseconds, lie together.
    """
    schema, block = row_schema(plan, table.schema), arrange(plan, table)
    for stretch in log_parts(plan.features, block.events, start, stop, hop):
        parts = [tabulate(plan, block.entities, rows, schema) for rows in stretch if len(rows)]
        if parts:
            yield pa.concat_tables(parts)


def row_schema(plan: ViewPlan, events: pa.Schema) -> pa.Schema:
    """Return the schema of the log without its `date`, given the schema of the raw events."""
    return log_schema(plan, transformed(plan, events.empty_table()).schema)
