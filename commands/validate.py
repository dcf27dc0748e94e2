"""Checks the events in the lake and the feature logs against their suites. `make validate`."""

from __future__ import annotations

from pathlib import Path

from commands.gates import event_gate, feature_gate
from commands.plan import read_plans
from commands.table import show_table
from workspace.workspace import Workspace


class NothingToValidateError(ValueError):
    """A workspace without events and feature logs."""


def main() -> int:
    """Check every event table and every feature log there is; return 1 if an expectation failed.

    Raises:
        NothingToValidateError: There is neither a table nor a log.
    """
    from validation.gates.report import ValidationFailed

    workspace = Workspace.from_env()
    rows, failures = [], []
    tables: set[str] = set()
    for plan in read_plans(workspace):
        lake = Path(plan.table.lake)
        checks = [(f"log of {plan.view}", Path(plan.log), feature_gate)]
        if plan.kind == "stream" and plan.table.name not in tables:
            tables.add(plan.table.name)
            checks.insert(0, (f"events of {plan.table.name}", lake, event_gate))
        for what, folder, gate in checks:
            if not folder.is_dir():
                rows.append((what, "not there"))
                continue
            try:
                gate(workspace, plan, folder)
                rows.append((what, "good"))
            except ValidationFailed as error:
                rows.append((what, "failed"))
                failures.append(str(error))
    show_table(("data", "result"), rows)
    if all(result == "not there" for _, result in rows):
        raise NothingToValidateError(
            f"nothing to check in {workspace.data}; run `make simulate`, or land events there, and then `make backfill`."
        )
    print("\n".join(failures) or f"pages: {workspace.reports / 'validation' / 'index.html'}")
    return 1 if failures else 0
