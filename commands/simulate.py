"""Writes the events that the repo's `events.py` makes into the lake, as far as they are known today. `make simulate`."""

from __future__ import annotations

from commands.event_tables import event_sources
from commands.loop.events import open_simulation
from commands.loop.history import build_history
from commands.loop.landing import land_checked
from commands.loop.services import labels_of, read_services
from commands.plan import read_plans
from pipelines.batch.lake import DAY
from workspace.workspace import Workspace, open_store, read_declarations


class NotAppliedError(ValueError):
    """Declarations that the registry does not know yet."""


def main() -> None:
    """Simulate the days that `events.py` says, the last of them today, and land those that are over.

    Raises:
        ValidationFailed: The events break an expectation; nothing is landed.
        NotAppliedError: The services, whose labels are events as well, are not registered yet.
    """
    workspace = Workspace.from_env()
    services = read_services(open_store(workspace))
    if not services and read_declarations(workspace).feature_services:
        raise NotAppliedError("the feature services are not registered yet; run `make apply` first.")
    sources = event_sources(read_plans(workspace), labels_of(services))
    simulation = open_simulation(workspace.repo, sources)
    history = build_history(sources, simulation.history(), 0, 1, simulation)
    land_checked(workspace, history)
    counts = ", ".join(f"{len(events):,} {name}" for name, events in history.events.items())
    print(
        f"{counts}: {(history.cut - history.start) // DAY} days from {simulation.first}, landed in {workspace.data / 'lake'}"
    )
