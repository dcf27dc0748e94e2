"""Lands the history of a run once its events have passed their gates: all tables or none."""

from __future__ import annotations

from commands.gates import event_gate
from commands.loop.history import History
from workspace.workspace import Workspace


def land_checked(workspace: Workspace, history: History) -> None:
    """Check all events of all tables, and write what is known before the cut into the lake.

    Raises:
        ValidationFailed: Events break an expectation; the lake is as it was.
    """
    for name, source in history.sources.items():
        event_gate(workspace, source.table, source.required, history.events[name])
    history.land()
