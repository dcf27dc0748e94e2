"""What differs between two plans of one view, and whether its feature log must be computed anew. No Feast and no engine."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import unified_diff
from typing import Any, Literal

from contract.durations import format_duration
from pipelines.plan import ViewPlan
from pipelines.semantics.feature import Feature


@dataclass(frozen=True, slots=True)
class Change:
    """One difference.

    Attributes:
        kind: Whether it was added, removed or changed.
        what: The feature, or the part of the view.
        said: The difference in words.
        recompute: Whether rows of the feature log are no longer what the declaration means.
        values: Whether values that are in both plans may differ.
    """

    kind: Literal["added", "removed", "changed"]
    what: str
    said: str
    recompute: bool
    values: bool


def changes_of(old: ViewPlan, new: ViewPlan, old_source: str = "", new_source: str = "") -> list[Change]:
    """Return what differs in meaning: first the view's own parts, then its features in the order of the new plan.

    The broker's address is no meaning and is left out.

    Args:
        old: The plan that is applied.
        new: The plan that is declared.
        old_source: The text of the applied plan's transform.
        new_source: That of the declared one.
    """
    return [*_view_changes(old, new, old_source, new_source), *_feature_changes(old.features, new.features)]


def _view_changes(old: ViewPlan, new: ViewPlan, old_source: str, new_source: str) -> Iterator[Change]:
    for name, before in _meaning(old).items():
        after = _meaning(new)[name]
        if before != after:
            yield Change("changed", name, f"{before} -> {after}", True, True)
    if (old.transform is None, old_source) != (new.transform is None, new_source):
        said = "added" if old.transform is None else "removed" if new.transform is None else ""
        said = said or "\n".join(["its text changed", *lines_apart(old_source, new_source)])
        yield Change("changed", "transform", said, True, True)
    types, new_types = dict(old.table.columns), dict(new.table.columns)
    for name in sorted(types.keys() | new_types.keys()):
        if types.get(name) != new_types.get(name):
            read = old.transform is not None or new.transform is not None or name in {*old.inputs, *new.inputs}
            said = f"{types.get(name, 'none')} -> {new_types.get(name, 'none')}"
            yield Change("changed", f"column {name}", said, read, read)
    if old.log != new.log:
        yield Change("changed", "feature log", f"{old.log} -> {new.log}", True, False)
    for name, text in _service_of_rows(old).items():
        if text != _service_of_rows(new)[name]:
            yield Change("changed", name, f"{text} -> {_service_of_rows(new)[name]}", False, False)


def _feature_changes(old: tuple[Feature, ...], new: tuple[Feature, ...]) -> Iterator[Change]:
    before = {feature.name: feature for feature in old}
    for feature in new:
        known = before.pop(feature.name, None)
        if known is None:
            yield Change("added", feature.name, describe_feature(feature), True, False)
            continue
        parts, new_parts = _parts(known), _parts(feature)
        said = [f"{name} {parts[name]} -> {new_parts[name]}" for name in parts if parts[name] != new_parts[name]]
        if said:
            yield Change("changed", feature.name, ", ".join(said), True, True)
    for feature in before.values():
        yield Change("removed", feature.name, describe_feature(feature), False, False)


def lines_apart(old: str, new: str) -> list[str]:
    """Return the lines that went and came between two texts, marked with - and +.

    >>> lines_apart("def f(x):\\n    return x", "def f(x):\\n    return 2 * x")
    ['-    return x', '+    return 2 * x']
    """
    apart = list(unified_diff(old.splitlines(), new.splitlines(), n=0, lineterm=""))[2:]
    return [line for line in apart if not line.startswith("@@")]


def describe_feature(feature: Feature) -> str:
    """Return a feature in a line: `sum of price, 1h by 1min`."""
    of = f" of {feature.column}" if feature.column else ""
    window = feature.window
    return f"{feature.function}{of}, {format_duration(window.size)} by {format_duration(window.slide)}"


def _parts(feature: Feature) -> dict[str, Any]:
    return {
        "function": feature.function,
        "column": feature.column or "events",
        "size": format_duration(feature.window.size),
        "slide": format_duration(feature.window.slide),
    }


def _meaning(plan: ViewPlan) -> Mapping[str, str]:
    """Return the parts of a view on which every value depends. A session's gap is in its function."""
    return {
        "kind": plan.kind,
        "keys": ", ".join(plan.keys),
        "source": plan.table.name,
        "lake": plan.table.lake,
        "time": plan.table.timestamp,
        "event id": plan.table.event_id,
        "known by": plan.table.arrived or "its own time",
        "delay": format_duration(plan.features[0].window.delay if plan.features else 0),
    }


def _service_of_rows(plan: ViewPlan) -> Mapping[str, str]:
    """Return the parts that say how rows are read and how events come, and that leave the log as it is."""
    table = plan.table
    return {
        "ttl": format_duration(plan.ttl) if plan.ttl else "for ever",
        "lateness": format_duration(table.lateness),
        "max_skew": format_duration(table.max_skew),
        "known_after": format_duration(table.known_after),
        "topic": str(table.topic),
        "partition_by": str(table.partition_by),
        "encoding": f"{table.encoding} {table.encoding_schema}".strip(),
    }
