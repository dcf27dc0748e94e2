"""Says what is wrong in a test of features: what was expected and found, and which events were in the window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from contract.durations import format_duration
from pipelines.semantics.feature import Feature
from pipelines.semantics.reference import Event
from pipelines.trial.small_events import show_instant
from pipelines.trial.trial import Entity, Trial

MOST = 20
"""How many events a message lists for one value."""


@dataclass(frozen=True, slots=True)
class Miss:
    """One value that is not what was expected.

    Attributes:
        entity: Whose.
        t: When, microseconds.
        feature: The feature; None where no row was expected and there is one.
        expected: What the test says.
        got: What the reference says.
        has_row: Whether a read at `t` finds a row at all.
    """

    entity: Entity
    t: int
    feature: Feature | None
    expected: Any
    got: Any
    has_row: bool = True


def describe(trial: Trial, misses: Sequence[Miss]) -> str:
    """Return the message of a test that failed."""
    count = "1 value is" if len(misses) == 1 else f"{len(misses)} values are"
    return "\n\n".join([f"{trial.plan.view}: {count} not as expected.", *(_tell(trial, miss) for miss in misses)])


def _tell(trial: Trial, miss: Miss) -> str:
    keys = ", ".join(f"{name}={value!r}" for name, value in zip(trial.plan.keys, miss.entity, strict=False))
    where = f"{keys} at {show_instant(miss.t)}"
    if miss.feature is None:
        return f"{trial.plan.view} of {where}: expected no row, got {miss.got!r}"
    got = repr(miss.got) if miss.has_row else "no row: nothing has entered a window yet, or its ttl is over"
    said = f"{trial.plan.view}.{miss.feature.name} of {where}: expected {miss.expected!r}, got {got}"
    return "\n".join([said, *_window(trial, miss.feature, miss.entity, miss.t)])


def _window(trial: Trial, feature: Feature, entity: Entity, t: int) -> list[str]:
    """Return the window in words and the entity's events, each with where it lies."""
    window = feature.window
    first, end = window.first(t), window.end(t)
    delay = f", {format_duration(window.delay)} late" if window.delay else ""
    of = f"{feature.function}{f' of {feature.column}' if feature.column else ''}"
    head = f"  {of}, {format_duration(window.size)} by {format_duration(window.slide)}{delay}: events of"
    head += f" {show_instant(first)} <= time < {show_instant(end)}"
    events = trial.events.get(entity, ())
    inside = [event for event in events if first <= event.ts < end]
    beside = [event for event in events if not first <= event.ts < end]
    lines = [head, f"  in the window: {len(inside) or 'none'}", *(_event(trial, e, feature) for e in inside[-MOST:])]
    if beside:
        lines.append(f"  not in the window: {len(beside)}")
        lines += [f"{_event(trial, e, feature)}  {_why(e, first, end)}" for e in beside[-MOST:]]
    return lines


def _event(trial: Trial, event: Event, feature: Feature) -> str:
    columns = "".join(f"  {name} {event.values[name]!r}" for name in feature.inputs)
    return f"    {trial.plan.table.event_id} {event.id!r}  {show_instant(event.ts)}{columns}"


def _why(event: Event, first: int, end: int) -> str:
    if event.ts < first:
        return "(before its start)"
    return "(at its end, which is open)" if event.ts == end else "(after its end)"
