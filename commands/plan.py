"""Prints the plan of every view: what the engines will run. `make plan`."""

from __future__ import annotations

import os

from pipelines.plan import ViewPlan
from pipelines.plan_view import plan_views
from workspace.workspace import Workspace, read_declarations


class UnknownViewError(ValueError):
    """A view that the feature repo does not declare."""


def read_plans(workspace: Workspace) -> list[ViewPlan]:
    """Return the plans of all views that the feature repo declares.

    Raises:
        PlanError: A declaration cannot be kept.
    """
    return plan_views(read_declarations(workspace))


def picked_plans(workspace: Workspace) -> list[ViewPlan]:
    """Return the plans of the views that VIEWS names, separated by commas; without it, of all.

    Raises:
        UnknownViewError: VIEWS names a view that does not exist.
    """
    plans = read_plans(workspace)
    wanted = os.environ.get("VIEWS", "").replace(",", " ").split()
    unknown = sorted(set(wanted) - {plan.view for plan in plans})
    if unknown:
        views = ", ".join(plan.view for plan in plans)
        raise UnknownViewError(f"VIEWS={', '.join(unknown)}: no such view; there are {views}.")
    return [plan for plan in plans if not wanted or plan.view in wanted]


def main() -> None:
    """Print all plans as JSON, one after the other."""
    for plan in read_plans(Workspace.from_env()):
        print(plan.to_json())
