"""Checks every declaration, then registers it with Feast. `make apply`. What Feast says goes to `apply.log`."""

from __future__ import annotations

import contextlib
import os
from datetime import timedelta
from typing import TYPE_CHECKING

from commands.applied import read_declared, write_applied
from contract.checks import check_all
from contract.tags import read_cache, read_tags
from pipelines.plan_view import plan_views
from stores.cells.layout import check_types
from workspace.workspace import Workspace, load_config, read_declarations

if TYPE_CHECKING:
    from feast.repo_contents import RepoContents


def apply(workspace: Workspace) -> int:
    """Plan all views, run `feast apply`, keep the plans for `make diff`, and return the number of planned views.

    Raises:
        PlanError: A declaration cannot be kept; nothing is registered.
        TagError: A view's cache cannot be kept as its tags say, or a check cannot.
        UnknownTypeError: A field has a type that cannot be stored.
        LayoutError: A join key has one.
    """
    declarations = read_declarations(workspace)
    check_types(
        [*declarations.feature_views, *declarations.stream_feature_views, *declarations.on_demand_feature_views]
    )
    plans = plan_views(declarations)
    check_all(declarations)
    _check_caches(declarations)
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


def _check_caches(declarations: RepoContents) -> None:
    """Refuse a bound of the cache that cannot be kept, of views without a plan as well."""
    for view in [*declarations.feature_views, *declarations.stream_feature_views]:
        ttl_us = view.ttl // timedelta(microseconds=1) if view.ttl else 0
        read_cache(view.name, read_tags(view.name, view.tags, "view"), ttl_us)


def main() -> None:
    """Apply the feature repo."""
    print(f"{apply(Workspace.from_env())} views planned and registered.")
