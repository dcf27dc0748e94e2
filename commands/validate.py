"""Checks the events in the lake and the feature logs against their suites. `make validate`."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING

from commands.checked_rows import files_of_days, rows_of
from commands.event_tables import event_sources
from commands.gates import check_names, event_gate, feature_gate
from commands.settings import SettingError
from commands.table import show_table
from contract.label import declared_labels
from pipelines.batch.lake import days_of, newest_event
from pipelines.plan import EventTable
from pipelines.plan_view import plan_views
from workspace.spark_session import SparkOnDemand
from workspace.workspace import Workspace, read_declarations

if TYPE_CHECKING:
    from commands.gates import Rows
    from validation.gates.report import Report


class NothingToValidateError(ValueError):
    """A workspace without events and feature logs."""


def main() -> int:
    """Check every event table and every feature log there is; return 1 if an expectation failed.

    The age of the newest events is held against the clock, or with CLOCK=event against the newest event of all tables.
    ENGINE=spark looks at the rows where Spark has them, without a collect.

    Raises:
        NothingToValidateError: There is neither a table nor a log.
        SettingError: CLOCK or ENGINE is none of theirs.
    """
    from validation.gates.report import ValidationFailed

    workspace = Workspace.from_env()
    engine = os.environ.get("ENGINE") or "here"
    if engine not in ("here", "spark"):
        raise SettingError(f"ENGINE={engine}: no such engine; write spark, or nothing to look from here.")
    spark = SparkOnDemand("validate", workspace.data / "spark.log")
    rows, failures = [], []
    for what, folder, many, gate in _checks(workspace):
        files = files_of_days(folder, days_of(folder))
        if not files:
            rows.append((what, "not there"))
            continue
        try:
            warnings = len(gate(rows_of(files, spark if engine == "spark" else None, many=many)).warnings)
            rows.append((what, f"good, {warnings} warnings" if warnings else "good"))
        except ValidationFailed as error:
            rows.append((what, "failed"))
            failures.append(str(error))
    spark.stop()
    show_table(("data", "result"), rows)
    if all(result == "not there" for _, result in rows):
        raise NothingToValidateError(
            f"nothing to check in {workspace.data}; run `make simulate`, or land events there, and then `make backfill`."
        )
    print("\n".join(failures) or f"pages: {workspace.reports / 'validation' / 'index.html'}")
    return 1 if failures else 0


def _checks(workspace: Workspace) -> Iterator[tuple[str, str, bool, Callable[[Rows], Report]]]:
    declared = read_declarations(workspace)
    plans = plan_views(declared)
    sources = event_sources(plans, declared_labels(declared))
    tables = [source.table for source in sources]
    views = [*declared.feature_views, *declared.stream_feature_views]
    check_names(workspace, tables, [view.name for view in views])
    now = _now(tables)
    for source in sources:
        gate = partial(event_gate, workspace, source.table, source.required, now=now, landed=True)
        yield f"events of {source.name}", source.table.lake, False, gate
    for plan in plans:
        yield f"log of {plan.view}", plan.log, True, partial(feature_gate, workspace, plan, log=True)


def _now(tables: Sequence[EventTable]) -> int:
    clock = os.environ.get("CLOCK") or "wall"
    if clock == "wall":
        return time.time_ns() // 1000
    if clock != "event":
        raise SettingError(f"CLOCK={clock}: no such clock; write wall, or event for a replay of old days.")
    newest = [newest_event(table, day) + table.known_after for table in tables for day in days_of(table.lake)[-1:]]
    return max(newest, default=0)
