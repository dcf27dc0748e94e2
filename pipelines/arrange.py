"""Turns a table of events into sorted blocks that the columnar meaning works on, and rows back into a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.plan import ViewPlan
from pipelines.semantics.events import Events, Times, sort_events
from pipelines.semantics.rows import Rows

TIMESTAMP = pa.timestamp("us", "UTC")


class EventError(ValueError):
    """Events that cannot be computed with; the message says which and what to do."""


@dataclass(frozen=True, slots=True)
class Block:
    """Sorted events of some entities.

    Attributes:
        events: The events; their entity numbers index `entities`.
        entities: The join keys, one row an entity.
    """

    events: Events
    entities: pa.Table


def arrange(plan: ViewPlan, table: pa.Table) -> Block:
    """Return the events of a table, transformed, sorted, each id once.

    Raises:
        EventError: A join key, time or id is null.
    """
    table = transformed(plan, table)
    refuse_incomplete(plan, table)
    arrived = plan.table.arrived
    if arrived:
        table = table.take(
            pc.sort_indices(table, [(arrived, "ascending")], null_placement="at_start")
        )  # of equal events the first one counts
    entity, entities = number_entities(table, plan.keys)
    ts = times(table[plan.table.timestamp])
    order = sort_events(entity, ts, ids(table[plan.table.event_id]))
    taken = pa.array(order)
    columns = {name: _one_chunk(table[name]).take(taken) for name in plan.inputs}
    seen = _seen(plan, ts, table[arrived])[order] if arrived else None
    return Block(Events(entity[order], ts[order], columns, seen), entities)


def _seen(plan: ViewPlan, ts: Times, arrived: pa.ChunkedArray) -> Times:
    """Return the time from which on each event is seen (rule 12); one of which nobody noted when it came, from its own on."""
    delay = max(feature.window.delay for feature in plan.features)
    known = pc.fill_null(_one_chunk(arrived).cast(TIMESTAMP).cast(pa.int64()), 0).to_numpy(zero_copy_only=False)
    return np.maximum(ts, known - delay)


def needed_columns(plan: ViewPlan) -> list[str]:
    """Return the columns of the events that a view without a transform reads."""
    arrived = (plan.table.arrived,) if plan.table.arrived else ()
    return list(dict.fromkeys((*plan.keys, plan.table.timestamp, plan.table.event_id, *arrived, *plan.inputs)))


def refuse_incomplete(plan: ViewPlan, table: pa.Table) -> None:
    """See to it that all events have a key, a time and an id.

    Raises:
        EventError: Some have not.
    """
    for name in (*plan.keys, plan.table.timestamp, plan.table.event_id):
        missing = table[name].null_count
        if missing:
            raise EventError(
                f"{plan.view}: {missing} of {len(table)} events have no {name}; remove them from {plan.table.lake} or give"
                " them one."
            )


def transformed(plan: ViewPlan, table: pa.Table) -> pa.Table:
    """Apply the plan's transform, if it has one.

    Raises:
        EventError: The transform changes the number of events.
    """
    if plan.transform is None:
        return table
    after = pa.Table.from_pandas(plan.transform(table.to_pandas()), preserve_index=False)
    if len(after) != len(table):
        raise EventError(
            f"{plan.view}: its transform made {len(after)} events of {len(table)}; it may only add columns."
        )
    arrived = (plan.table.arrived,) if plan.table.arrived else ()
    for name in (*plan.keys, plan.table.event_id, plan.table.timestamp, *arrived):
        after = after.set_column(after.schema.get_field_index(name), name, table[name])
    return after


def tabulate(plan: ViewPlan, entities: pa.Table, rows: Rows, schema: pa.Schema) -> pa.Table:
    """Return rows as a table: the join keys, the features, `event_timestamp`."""
    at = pa.array(rows.entity)
    arrays = [_one_chunk(entities[name]).take(at) for name in plan.keys]
    arrays += [_fit(values, schema.field(f.name).type) for f, values in zip(plan.features, rows.values, strict=True)]
    arrays.append(pa.array(rows.t, TIMESTAMP))
    return pa.table(arrays, schema=schema)


def log_schema(plan: ViewPlan, events: pa.Schema) -> pa.Schema:
    """Return the schema of a view's rows, given that of its events (transformed)."""
    fields = [(name, events.field(name).type) for name in plan.keys]
    for feature in plan.features:
        column = events.field(feature.column).type if feature.column else None
        fields.append((feature.name, _normal(feature.aggregator.result(column))))
    return pa.schema([*fields, ("event_timestamp", TIMESTAMP)])


def number_entities(table: pa.Table, keys: Sequence[str]) -> tuple[Times, pa.Table]:
    """Return a dense number for each row's entity, and the entities in the order of their numbers."""
    if len(keys) == 1:
        coded = _one_chunk(table[keys[0]]).dictionary_encode()
        return coded.indices.to_numpy(zero_copy_only=False).astype(np.int64), pa.table({keys[0]: coded.dictionary})
    combined = np.zeros(len(table), np.int64)
    for name in keys:
        codes = _one_chunk(table[name]).dictionary_encode()
        combined = combined * max(len(codes.dictionary), 1) + codes.indices.to_numpy(zero_copy_only=False)
    _, first, number = np.unique(combined, return_index=True, return_inverse=True)
    return number.astype(np.int64), table.select(list(keys)).take(pa.array(first)).combine_chunks()


def times(column: pa.ChunkedArray) -> Times:
    """Return a time column as int64 microseconds since the epoch."""
    return _one_chunk(column).cast(TIMESTAMP).cast(pa.int64()).to_numpy(zero_copy_only=False)


def ids(column: pa.ChunkedArray) -> np.ndarray:
    """Return an id column as int64 or as text, in an order both engines share."""
    array = _one_chunk(column)
    if pa.types.is_integer(array.type):
        return array.cast(pa.int64()).to_numpy(zero_copy_only=False)
    return np.asarray(array.cast(pa.string()).to_pylist(), dtype=np.str_)


def _normal(kind: pa.DataType) -> pa.DataType:
    """Return how a feature of this type is stored: a time as microseconds, for Feast's own type keeps whole seconds."""
    if pa.types.is_timestamp(kind):
        return pa.int64()
    return pa.list_(_normal(kind.value_type)) if pa.types.is_list(kind) else kind


def _fit(array: pa.Array, kind: pa.DataType) -> pa.Array:
    if pa.types.is_timestamp(array.type):
        array = array.cast(TIMESTAMP)
    return array if array.type == kind else array.cast(kind)


def _one_chunk(column: pa.ChunkedArray | pa.Array) -> pa.Array:
    if isinstance(column, pa.Array):
        return column
    joined = column.combine_chunks()
    return pa.concat_arrays(joined.chunks) if isinstance(joined, pa.ChunkedArray) else joined
