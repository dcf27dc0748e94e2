"""Checks every declaration, then registers it with Feast. `make apply`. What Feast says goes to `apply.log`."""

from __future__ import annotations

import contextlib
import os

from commands.applied import read_declared, write_applied
from pipelines.plan_view import plan_views
from workspace.workspace import Workspace, load_config, read_declarations


def apply(workspace: Workspace) -> int:
    """Plan all views, run `feast apply`, keep the plans for `make diff`, and return the number of planned views.

    Raises:
        PlanError: A declaration cannot be kept; nothing is registered.
    """
    declarations = read_declarations(workspace)
    plans = plan_views(declarations)
    declared = read_declared(declarations, plans)
    from feast.repo_operations import apply_total

    workspace.data.mkdir(parents=True, exist_ok=True)
    home, config = os.getcwd(), load_config(workspace)
    try:
        os.chdir(workspace.repo)
        with (workspace.data / "apply.log").open("a") as told, contextlib.redirect_stdout(told):
            apply_total(config, workspace.repo, skip_source_validation=True)
    finally:
        os.chdir(home)
    write_applied(workspace, declared)
    return len(plans)


def main() -> None:
    """Apply the feature repo."""
    print(f"{apply(Workspace.from_env())} views planned and registered.")
