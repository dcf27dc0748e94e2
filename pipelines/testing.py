"""Unit tests of features: a few events, the values expected at instants. No server, no files, some milliseconds.

    check_view(
        user_clicks,  # your StreamFeatureView or BatchFeatureView
        events='''
            user | at               | price
            ann  | 2026-01-01 11:10 | 5.0
            ann  | 2026-01-01 11:50 | 2.5
        ''',
        at={"2026-01-01 12:00": {"price_sum_1h": 7.5}},
    )

The reference says what is right (`pipelines/semantics/reference.py`); the compiled engine that fills the feature logs is
held against it in the same call. Guide: docs/testing-features.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa

from pipelines.trial.mismatch import Miss, describe
from pipelines.trial.small_events import SmallTable, SmallTableError, read_instant, show_instant
from pipelines.trial.trial import ROUNDING, Entity, Trial, Values, row_at, same, scale_of, short, start_trial


class FeatureMismatchError(AssertionError):
    """A feature is not what the test says; the message lists the events that were in the window."""


class EngineMismatchError(AssertionError):
    """The compiled engine does not give what the reference gives: a fault of Millrace, not of the declaration."""


def check_view(
    view: Any,
    *,
    events: SmallTable,
    at: Mapping[Any, Mapping[Any, Any] | None],
    columns: Mapping[str, str] | None = None,
    tolerance: float = 1e-6,
    compiled: bool = True,
) -> None:
    """Hold a view's values at instants against those expected; features that are not named are not looked at.

    Args:
        view: A declared StreamFeatureView or BatchFeatureView, or a plan.
        events: The events: a list of dicts, or a text table with `|` between its cells. Columns that are left out are
            null; left out event ids are numbers from 1 on.
        at: What is expected at each instant (`"2026-01-31 12:00"`, UTC, or a datetime): the features' values, or None
            for no row at all. Where the events have several entities, `{entity: values}`; an entity with several join
            keys is a tuple of them.
        columns: Types of further columns, as Spark's DDL calls them, where the view's declaration does not say them.
        tolerance: By how much a float may be off, relative to what is expected.
        compiled: Whether the compiled engine is tried as well; its first use in a process costs a second.

    Raises:
        FeatureMismatchError: A value is another; all that are wrong are told.
        EngineMismatchError: The engines disagree.
        SmallTableError: The events, an instant, an entity or a feature cannot be understood.
        PlanError: The declaration cannot be kept.
    """
    trial = start_trial(view, events, columns)
    told = [(read_instant(when), values) for when, values in at.items()]
    wanted = [(t, entity, values) for t, values in told for entity, values in _each(trial, values)]
    if not any(values is None or values for _, _, values in wanted):
        raise SmallTableError(f"{trial.plan.view}: nothing is expected; write at={{instant: {{feature: value}}}}.")
    misses: list[Miss] = []
    for t, entity, values in wanted:
        row = row_at(trial, entity, t)
        if values is None:
            if row is not None:
                misses.append(Miss(entity, t, None, None, row))
            continue
        for name, value in values.items():
            feature = next((one for one in trial.plan.features if one.name == name), None)
            if feature is None:
                raise SmallTableError(
                    f"{trial.plan.view}: no feature {name!r}; use of {', '.join(f.name for f in trial.plan.features)}."
                )
            got = None if row is None else row[name]
            if not same(value, got, tolerance, scale_of(trial, entity)):
                misses.append(Miss(entity, t, feature, value, got, row is not None))
    if misses:
        raise FeatureMismatchError(describe(trial, misses))
    if compiled:
        _hold_engine(trial, sorted({t for t, _, _ in wanted}))


def values_at(
    view: Any, *, events: SmallTable, at: Any, columns: Mapping[str, str] | None = None
) -> dict[Any, Values | None]:
    """Return what each entity's features are at an instant; None for an entity without a row.

    Takes what `check_view` takes. An entity is its join key, or a tuple of them.
    """
    trial, t = start_trial(view, events, columns), read_instant(at)
    return {entity[0] if len(entity) == 1 else entity: row_at(trial, entity, t) for entity in trial.events}


def _each(trial: Trial, told: Mapping[Any, Any] | None) -> Iterator[tuple[Entity, Mapping[str, Any] | None]]:
    """Yield (entity, values) of what is expected at one instant."""
    names = {feature.name for feature in trial.plan.features}
    by_entity = told is not None and all(
        isinstance(value, Mapping) or (value is None and name not in names) for name, value in told.items()
    )
    if told is None or not by_entity:
        if len(trial.events) != 1:
            entities = ", ".join(repr(short(entity)) for entity in trial.events) or "none"
            raise SmallTableError(
                f"{trial.plan.view}: the events are of {len(trial.events)} entities ({entities}); say of which each value"
                " is, such as {'ann': {'clicks': 3}}."
            )
        yield next(iter(trial.events)), told
        return
    for key, values in told.items():
        entity = key if isinstance(key, tuple) else (key,)
        if entity not in trial.events and values is not None:
            entities = ", ".join(repr(short(one)) for one in trial.events) or "none"
            raise SmallTableError(f"{trial.plan.view}: no event is of {key!r}; there are events of {entities}.")
        yield entity, values


def _hold_engine(trial: Trial, instants: Sequence[int]) -> None:
    """Hold what the compiled engine gives at the instants against the reference."""
    if not instants:
        return
    from pipelines.batch.compute import compute_log  # a second, with the compiler

    plan = trial.plan
    log = compute_log(plan, trial.table, 0, instants[-1] + 1)
    at = log["event_timestamp"].cast(pa.int64()).to_pylist()
    rows: dict[Entity, list[tuple[int, Values]]] = {}
    for t, row in zip(at, log.to_pylist(), strict=True):
        rows.setdefault(tuple(row[key] for key in plan.keys), []).append((t, row))
    for t in instants:
        for entity in trial.events:
            wanted = row_at(trial, entity, t)
            when, got = next(((when, row) for when, row in reversed(rows.get(entity, [])) if when <= t), (0, None))
            if got is not None and plan.ttl and when < t - plan.ttl:
                got = None
            for name in (feature.name for feature in plan.features):
                here, there = (None if row is None else row[name] for row in (wanted, got))
                if not same(here, there, ROUNDING, scale_of(trial, entity)):
                    raise EngineMismatchError(
                        f"{plan.view}.{name} of {short(entity)!r} at {show_instant(t)}: the reference gives {here!r}, the compiled engine"
                        f" {there!r}; this is a fault of Millrace: please report it with the events."
                    )
