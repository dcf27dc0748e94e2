"""A view under test: its events as both engines take them, and what the reference says a read gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pyarrow as pa

from contract.types import type_of_ddl, type_of_field
from pipelines.arrange import TIMESTAMP, transformed
from pipelines.plan import ViewPlan
from pipelines.plan_view import plan_batch_view, plan_stream_view
from pipelines.semantics import reference
from pipelines.semantics.reference import EPOCH, Event
from pipelines.trial.small_events import SmallTable, SmallTableError, read_instant, read_small_events

ROUNDING = 1e-9
"""By how much engines may differ, relative to the values that a result is made of (rule 8)."""

Entity = tuple[Any, ...]
Values = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Trial:
    """A view and the events of a test.

    Attributes:
        plan: The view.
        table: The events, before the view's transform.
        events: The events of each entity, after the transform, each once.
    """

    plan: ViewPlan
    table: pa.Table
    events: Mapping[Entity, Sequence[Event]]


def start_trial(view: Any, events: SmallTable, columns: Mapping[str, str] | None) -> Trial:
    """Read a test's events for a view.

    Raises:
        SmallTableError: They cannot be read, or the type of a column is not known.
        PlanError: The declaration cannot be kept.
    """
    plan = plan_of(view)
    types = {name: type_of_ddl(kind).arrow for name, kind in plan.table.columns}
    for source in getattr(view, "source_views", None) or ():
        known = {one.name: type_of_field(one.dtype) for one in source.schema}
        types.update({name: one.arrow for name, one in known.items() if one is not None})
    types.setdefault(plan.table.timestamp, TIMESTAMP)
    types.update({name: type_of_ddl(kind).arrow for name, kind in (columns or {}).items()})
    for name in (*plan.keys, plan.table.event_id, *(plan.inputs if plan.transform is None else ())):
        if name not in types:
            raise SmallTableError(
                f"{plan.view}: the type of {name} is not known; give columns={{{name!r}: 'bigint'}}, or as it is."
            )
    table = read_small_events(plan, events, types)
    found: dict[Entity, list[Event]] = {}
    for row in transformed(plan, table).to_pylist():
        ts = (row[plan.table.timestamp] - EPOCH) // timedelta(microseconds=1)
        number = row[plan.table.event_id]
        number = number if isinstance(number, int) else str(number)
        found.setdefault(tuple(row[key] for key in plan.keys), []).append(Event(ts, number, row))
    return Trial(plan, table, {entity: reference.distinct(its) for entity, its in found.items()})


def row_at(trial: Trial, entity: Entity, t: int) -> Values | None:
    """Return what a read at `t` gives; None where there is no row yet (rule 4) or it is past its ttl (rule 9)."""
    plan, events = trial.plan, trial.events.get(entity, ())
    entered = [f.window.enters(event.ts) for f in plan.features for event in events]
    if not entered or min(entered) > t:
        return None
    if plan.ttl and t - min(entered) > plan.ttl:
        rows = reference.feature_log(plan.features, events, 0, t + 1)
        if rows[-1][0] < t - plan.ttl:
            return None
    return {f.name: plain(reference.value_at(f, events, t)) for f in plan.features}


def plan_of(view: Any) -> ViewPlan:
    """Return the plan of a declared view, or a plan as it is. The paths in it are those of the declaration.

    Raises:
        SmallTableError: It is no view with aggregations.
        PlanError: The declaration cannot be kept.
    """
    if isinstance(view, ViewPlan):
        return view
    if not getattr(view, "aggregations", None):
        raise SmallTableError(
            f"{getattr(view, 'name', view)!r} has no aggregations; give a StreamFeatureView, a BatchFeatureView or a plan."
        )
    if getattr(view, "stream_source", None) is None:
        return plan_batch_view(view)
    lake = view.stream_source.tags.get("millrace.lake")  # its path is all that a plan takes of it, and no test reads it
    return plan_stream_view(view, {lake: SimpleNamespace(name=lake, path="", tags={})} if lake else {})


def same(wanted: Any, got: Any, tolerance: float, scale: float) -> bool:
    """Say whether two values are the same; a time is its microseconds since the epoch."""
    if isinstance(wanted, list | tuple) and isinstance(got, list | tuple):
        return len(wanted) == len(got) and all(same(a, b, tolerance, scale) for a, b in zip(wanted, got, strict=True))
    wanted, got = plain(wanted), plain(got)
    if float in (type(wanted), type(got)) and {type(wanted), type(got)} <= {int, float}:
        return bool(abs(wanted - got) <= max(tolerance * max(abs(wanted), abs(got)), ROUNDING * scale))
    return type(wanted) is type(got) and bool(wanted == got)


def scale_of(trial: Trial, entity: Entity) -> float:
    """Return the largest number that the entity's features are made of."""
    values = (event.values[name] for event in trial.events.get(entity, ()) for name in trial.plan.inputs)
    numbers = (abs(float(v)) for v in values if isinstance(v, int | float) and not reference.is_null(v))
    return max(numbers, default=1.0)


def short(entity: Entity) -> Any:
    """Return how a test writes an entity: its join key, or a tuple of several."""
    return entity[0] if len(entity) == 1 else entity


def plain(value: Any) -> Any:
    """Return a value as rows hold it: times are microseconds since the epoch, UTC where they do not say."""
    if isinstance(value, list | tuple):
        return [plain(one) for one in value]
    return read_instant(value) if isinstance(value, datetime) else value
