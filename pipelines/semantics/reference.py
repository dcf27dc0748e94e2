"""The slow, obvious meaning of features, event by event. It judges every engine and is never used in production."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pipelines.semantics.feature import Feature

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Event:
    """One event of one entity.

    Attributes:
        ts: Event time, microseconds since the epoch, UTC.
        id: Identity; a second event with the same id does not count (rule 6).
        values: The columns.
        arrived: When it became known, microseconds; None where nobody noted it (rule 12).
    """

    ts: int
    id: int | str
    values: Mapping[str, Any]
    arrived: int | None = None


def distinct(events: Sequence[Event]) -> list[Event]:
    """Return each event once, by (event time, event id): rules 5 and 6. Of several with one id the earliest counts, and of
    these the one that became known first.
    """
    first: dict[int | str, Event] = {}
    for event in sorted(events, key=lambda event: (event.ts, event.ts if event.arrived is None else event.arrived)):
        first.setdefault(event.id, event)
    return sorted(first.values(), key=lambda event: (event.ts, event.id))


def value_at(feature: Feature, events: Sequence[Event], t: int) -> Any:
    """Return the value of a feature at time `t` (microseconds), as rules 1, 2, 4, 5, 11 and 12 say it.

    Args:
        feature: The feature.
        events: All events of one entity, as `distinct` returns them.
        t: The instant, microseconds since the epoch.
    """
    inside = [event for event in events if _is_inside(feature, event, t)]
    if feature.gap is not None:
        inside = _session(inside, feature.gap, feature.window.end(t))
    if getattr(feature.aggregator, "timed", False):
        return feature.aggregator.of([(event.ts, _value_of(feature, event)) for event in inside])
    if feature.column is None:
        return feature.aggregator.of([EPOCH + timedelta(microseconds=event.ts) for event in inside])
    whole = [event.values for event in inside if not any(is_null(event.values[name]) for name in feature.inputs)]
    return feature.aggregator.of([values[feature.column] for values in whole])


def _value_of(feature: Feature, event: Event) -> Any:
    """Return what an event has for a feature: all columns where that has none of its own, None for a null."""
    value = event.values if feature.column is None else event.values[feature.column]
    return None if is_null(value) else value


def feature_log(
    features: Sequence[Feature], events: Sequence[Event], start: int, stop: int
) -> list[tuple[int, tuple[Any, ...]]]:
    """Return the rows of one entity with `start <= event_timestamp < stop`: (event_timestamp, values), rules 3 and 4.

    Every instant at which anything can change is tried; a row stays where a value, or whether the windows hold any
    event at all, differs from the instant before.
    """
    events = distinct(events)
    candidates = {t for event in events for feature in features for t in _instants(feature, event)}
    rows: list[tuple[int, tuple[Any, ...]]] = []
    before: tuple[Any, ...] = (False, tuple(value_at(feature, [], 0) for feature in features))
    for t in sorted(t for t in candidates if t < stop):
        values = tuple(value_at(feature, events, t) for feature in features)
        now = (any(_holds(feature, events, t) for feature in features), values)
        if now != before and t >= start:
            rows.append((t, values))
        before = now
    return rows


def is_null(value: Any) -> bool:
    """Say whether a value is skipped: None, NaN and infinities are (rule 4)."""
    return value is None or (isinstance(value, float) and not math.isfinite(value))


def _session(inside: Sequence[Event], gap: int, end: int) -> list[Event]:
    run: list[Event] = []
    for event in inside:
        run = [*run, event] if run and event.ts - run[-1].ts < gap else [event]
    return run if run and end - run[-1].ts < gap else []


def _holds(feature: Feature, events: Sequence[Event], t: int) -> bool:
    return any(_is_inside(feature, event, t) for event in events)


def _is_inside(feature: Feature, event: Event, t: int) -> bool:
    """Say whether an event is in the window, and has become known before the instant that the value at `t` is of."""
    first, end = feature.window.first(t), feature.window.end(t)
    return first <= event.ts < end and (event.arrived is None or event.arrived < end + feature.window.delay)


def _instants(feature: Feature, event: Event) -> list[int]:
    window, ts = feature.window, event.ts
    seen = ts if event.arrived is None else max(ts, event.arrived - window.delay)
    ends = [] if feature.gap is None else [ts + window.delay + feature.gap]
    return [window.enters(seen), window.leaves(ts), *ends]
