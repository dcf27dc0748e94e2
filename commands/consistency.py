"""Holds what was served against what offline gives at the same instants. `make consistency`. Changes nothing but its report."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from commands.late_events import explain_by
from commands.plan import read_plans
from commands.settings import SettingError, read_day, read_number, read_whole
from commands.table import show_table
from contract.service import read_service
from serving.config import load_config
from validation.consistency.measure import measure_consistency
from validation.consistency.report import describe_consistency, write_consistency
from validation.consistency.served import DAY
from workspace.workspace import Workspace, open_store

if TYPE_CHECKING:
    from typing import Any

    from feast import FeatureStore

    from pipelines.plan import ViewPlan

SAMPLE = 100_000
LEAST_EQUAL = 0.99


def measure_service(
    workspace: Workspace,
    service: str,
    since: date | None = None,
    until: date | None = None,
    sample: int = SAMPLE,
    seed: int = 7,
    bound: float | None = None,
    store: FeatureStore | None = None,
    plans: Sequence[ViewPlan] | None = None,
) -> dict[str, Any]:
    """Measure one service and write its report; return what the report says. Store and plans are the workspace's, if at hand.

    Raises:
        ConsistencyError: There are no decisions that can be recomputed.
        FeatureLogError: A view's log is missing or cannot be read as files.
    """
    plans = read_plans(workspace) if plans is None else plans
    store = store or open_store(workspace)
    declared = read_service(store, service)
    found = measure_consistency(store, workspace.data, declared, since, until, sample, seed, explain_by(plans))
    span = f"{since or 'the first day'} to {until - DAY if until else 'now'}"
    described = describe_consistency(service, found, datetime.now(UTC), span, bound)
    write_consistency(workspace.data, described)
    return described


def main() -> int:
    """Measure SERVICE, by default the first that is served, on the decisions of FROM to TO, both inclusive; return 1 below MIN_EQUAL.

    Raises:
        SettingError: A setting is not what it must be.
    """
    workspace = Workspace.from_env()
    bound = read_number("MIN_EQUAL", LEAST_EQUAL)
    if bound > 1:
        raise SettingError(f"MIN_EQUAL={bound:g}: is a share; write one from 0 to 1, such as MIN_EQUAL=0.99.")
    last = read_day("TO")
    described = measure_service(
        workspace,
        os.environ.get("SERVICE") or load_config(workspace.repo / "serving.yaml").services[0],
        read_day("FROM"),
        last and last + DAY,
        read_whole("SAMPLE", SAMPLE),
        read_whole("SEED", 7),
        bound,
    )
    show_consistency(described)
    return 0 if described["share_equal"] is None or described["share_equal"] >= bound else 1


def show_consistency(described: dict[str, Any]) -> None:
    """Print what was measured: a line a feature that is not all equal, and the causes."""
    rows = [
        (name, *(f"{one[kind]:,}" for kind in ("compared", "equal", "different", "missing", "extra", "stale")))
        for name, one in described["by_feature"].items()
        if one["equal"] < one["compared"]
    ]
    if rows:
        show_table(("feature", "compared", "equal", "different", "missing", "extra", "stale"), rows)
        show_table(("cause", "values"), [(cause, f"{values:,}") for cause, values in described["causes"].items()])
    share = described["share_equal"]
    said = (
        "nothing to compare" if share is None else f"{100 * share:.3f} % of {described['compared']:,} values are equal"
    )
    print(f"{described['service']}: {said}, {described['decisions']:,} decisions")
    if described["later_than_the_logs"]:
        print(f"left out: {described['later_than_the_logs']:,} decisions later than the logs reach")
