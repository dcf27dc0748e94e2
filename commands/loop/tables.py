"""The event tables of a feature repo: those that are topics, and those that only lie in the lake."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from contract.label import Label
from pipelines.plan import EventTable, ViewPlan

if TYPE_CHECKING:
    from contract.service import Service


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


def event_sources(plans: Sequence[ViewPlan], services: Sequence[Service]) -> list[Source]:
    """Return every event table that views are computed from or that holds labels, each once; topics first."""
    topics: dict[str, tuple[EventTable, list[str]]] = {}
    for plan in plans:
        if plan.kind == "stream":
            _, needed = topics.setdefault(plan.table.name, (plan.table, [plan.table.timestamp, plan.table.event_id]))
            needed += [*plan.keys, plan.table.partition_by or plan.table.event_id]
    found = [
        Source(table, tuple(dict.fromkeys(needed)), tuple(name for name, _ in table.columns))
        for table, needed in topics.values()
    ]
    lakes = {source.table.lake for source in found}
    others: dict[str, tuple[EventTable, list[str], list[str]]] = {}
    for plan in plans:
        if plan.kind == "batch" and plan.table.lake not in lakes:
            table = _of_lake(plan.table.lake, plan.table.timestamp, plan.table.event_id, plan.table.known_after)
            _, needed, columns = others.setdefault(table.lake, (table, [table.timestamp, table.event_id], []))
            needed += plan.keys
            columns += [] if plan.transform else plan.inputs
    for label in (service.label for service in services if service.label):
        if label.path not in lakes:
            table = _of_label(label)
            _, needed, columns = others.setdefault(label.path, (table, [table.timestamp, table.event_id], []))
            columns.append(label.column)
    for table, needed, columns in others.values():
        found.append(Source(table, tuple(dict.fromkeys(needed)), tuple(dict.fromkeys([*needed, *columns]))))
    return found


def _of_label(label: Label) -> EventTable:
    return _of_lake(label.path, label.timestamp, label.event_id, label.known_after)


def _of_lake(lake: str, timestamp: str, event_id: str, known_after: int) -> EventTable:
    return EventTable(Path(lake).name, lake, timestamp, event_id, known_after=known_after)
