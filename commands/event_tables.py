"""The event tables of a feature repo: those that are topics, and those that only lie in the lake."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from contract.checks import ColumnCheck
from contract.label import Label
from pipelines.plan import EventTable, ViewPlan


@dataclass(frozen=True, slots=True)
class Source:
    """One event table, and what a run must know to play it.

    Attributes:
        table: The table. Its name is that of its topic, or, for one that no view streams, of its folder in the lake.
        required: Columns that every event must have a value in.
        columns: Columns that it must have.
    """

    table: EventTable
    required: tuple[str, ...]
    columns: tuple[str, ...]

    @property
    def name(self) -> str:
        """Return the table's name."""
        return self.table.name


def event_sources(plans: Sequence[ViewPlan], labels: Iterable[Label]) -> list[Source]:
    """Return every event table that views are computed from or that holds labels, each once; topics first."""
    raw: dict[str, dict[str, ColumnCheck]] = {}
    for plan in plans:
        raw.setdefault(plan.table.lake, {}).update(plan.table.checks.columns)
    topics: dict[str, tuple[EventTable, list[str]]] = {}
    for plan in plans:
        if plan.kind == "stream":
            _, needed = topics.setdefault(plan.table.name, (plan.table, [plan.table.timestamp, plan.table.event_id]))
            needed += [*plan.keys, plan.table.partition_by or plan.table.event_id]
    found = [
        Source(
            _with_checks(table, raw[table.lake]), tuple(dict.fromkeys(needed)), tuple(name for name, _ in table.columns)
        )
        for table, needed in topics.values()
    ]
    lakes = {source.table.lake for source in found}
    others: dict[str, tuple[EventTable, list[str], list[str]]] = {}
    for plan in plans:
        if plan.kind == "batch" and plan.table.lake not in lakes:
            table = _of_lake(plan.table)
            _, needed, columns = others.setdefault(table.lake, (table, [table.timestamp, table.event_id], []))
            needed += plan.keys
            columns += [] if plan.transform else plan.inputs
    for label in labels:
        if label.path not in lakes:
            table = _of_label(label)
            _, needed, columns = others.setdefault(label.path, (table, [table.timestamp, table.event_id], []))
            columns.append(label.column)
    for table, needed, columns in others.values():
        found.append(Source(table, tuple(dict.fromkeys(needed)), tuple(dict.fromkeys([*needed, *columns]))))
    return found


def _with_checks(table: EventTable, columns: Mapping[str, ColumnCheck]) -> EventTable:
    """Return a table with what all that read it say of its columns."""
    return replace(table, checks=replace(table.checks, columns=columns))


def _of_lake(table: EventTable) -> EventTable:
    return replace(table, name=Path(table.lake).name)


def _of_label(label: Label) -> EventTable:
    return EventTable(
        Path(label.path).name,
        label.path,
        label.timestamp,
        label.event_id,
        known_after=label.known_after,
        arrived=label.arrived,
        checks=label.checks,
    )
