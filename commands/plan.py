"""Prints the plan of every view: what the engines will run. `make plan`."""

from pipelines.plan import ViewPlan
from pipelines.plan_view import plan_views
from stores.workspace import Workspace, read_declarations


def read_plans(workspace: Workspace) -> list[ViewPlan]:
    """Return the plans of all views that the feature repo declares.

    Raises:
        PlanError: A declaration cannot be kept.
    """
    return plan_views(read_declarations(workspace))


def main() -> None:
    """Print all plans as JSON, one after the other."""
    for plan in read_plans(Workspace.from_env()):
        print(plan.to_json())
