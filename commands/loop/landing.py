"""Lands the history of a run once its events have passed their gates: all tables or none."""

from __future__ import annotations

from commands.gates import event_gate
from commands.loop.history import History
from pipelines.batch.here import are_few
from workspace.workspace import Workspace


def land_checked(workspace: Workspace, history: History) -> None:
    """Check all events of all tables, and write what is known before the cut into the lake.

    Raises:
        ValidationFailed: Events break an expectation; the lake is as it was.
    """
    from validation.gates.whole import Many

    for name, source in history.sources.items():
        events = history.events[name]
        event_gate(workspace, source.table, source.required, events if are_few(len(events)) else Many(events))
    history.land()
