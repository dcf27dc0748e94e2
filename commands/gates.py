"""The gates of a workspace: suites from its declarations and its own expectations, in front of whatever stores or trains."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from contract.checks import ColumnCheck
from pipelines.batch.lake import days_of
from pipelines.plan import EventTable, ViewPlan
from workspace.workspace import Workspace

if TYPE_CHECKING:
    from contextlib import AbstractContextManager
    from typing import TypeAlias

    import pandas as pd
    import pyarrow as pa
    from great_expectations import ExpectationSuite

    from training.data.task import TrainingTask
    from validation.gates.engine import Engine
    from validation.gates.report import Finding, Report
    from validation.gates.rows import Source
    from validation.gates.whole import Many
    from validation.leakage.checks import LeakBounds

    Rows: TypeAlias = Source | Many | Callable[[], AbstractContextManager[Engine]]
    """Rows that Great Expectations looks at itself, many rows, or what opens rows in an engine that does it in one pass."""


def feature_gate(workspace: Workspace, plan: ViewPlan, rows: Rows, *, log: bool = False) -> Report:
    """Check rows of a view, of its log or the newest ones, and write the page about these.

    Raises:
        ValidationFailed: An expectation failed; the message names it and the rows.
    """
    from validation.gates.handwritten import load_expectations
    from validation.gates.suites import FeatureSpec, suite_for_features

    functions = {feature.name: feature.function for feature in plan.features}
    name = f"{plan.view}-log" if log else plan.view
    spec = FeatureSpec(name, plan.keys, functions, checks=plan.checks)
    return _require(workspace, rows, suite_for_features(spec, load_expectations(workspace.repo).get(plan.view, ())))


def plain_gate(
    workspace: Workspace,
    view: str,
    keys: tuple[str, ...],
    features: Sequence[str],
    timestamp: str,
    rows: pa.Table,
    checks: Mapping[str, ColumnCheck],
) -> Report:
    """Check rows of a view that somebody else computes: its columns are there, one row an entity, and what its team expects.

    Raises:
        ValidationFailed: An expectation failed; the message names it and the rows.
    """
    from validation.gates.handwritten import load_expectations
    from validation.gates.suites import FeatureSpec, suite_for_features

    spec = FeatureSpec(view, keys, dict.fromkeys(features, ""), timestamp, checks=checks)
    return _require(workspace, rows, suite_for_features(spec, load_expectations(workspace.repo).get(view, ())))


def event_gate(
    workspace: Workspace,
    table: EventTable,
    required: Sequence[str],
    rows: Rows,
    *,
    now: int | None = None,
    landed: bool = False,
) -> Report:
    """Check events of a table, row by row and day by day, and write the page about it.

    Args:
        workspace: Whose expectations hold, and where the page goes.
        table: The table.
        required: Columns that every event must have a value in, the time and the id among them.
        rows: The events.
        now: Against what the newest event's age is held, microseconds; None to ask for no age, as of a history.
        landed: Whether they lie in the lake, where an event may come twice: a backfill counts it once.

    Raises:
        ValidationFailed: An expectation failed; the message names it and the rows.
    """
    from validation.gates.handwritten import load_expectations
    from validation.gates.suites import EventSpec, suite_for_events

    columns = dict(table.columns) or dict.fromkeys([*required, *table.checks.columns], "")
    keys = tuple(name for name in required if name not in (table.timestamp, table.event_id))
    spec = EventSpec(
        table.name,
        columns,
        keys,
        table.timestamp,
        table.event_id,
        table.checks.columns,
        "warning" if landed else "critical",
    )
    suite = suite_for_events(spec, load_expectations(workspace.repo).get(table.name, ()))
    return _require(workspace, rows, suite, lambda engine: _judge_days(engine, table, keys, now))


@dataclass(frozen=True, slots=True)
class TrainingGates:
    """What stands before a training, and before its test; each writes its page and raises `ValidationFailed`."""

    training: Callable[[pd.DataFrame], None]
    test: Callable[[pd.DataFrame, pd.DataFrame], None]


def training_gates(
    workspace: Workspace, plans: Sequence[ViewPlan], task: TrainingTask, bounds: LeakBounds | None = None
) -> TrainingGates:
    """Return the checks of a training set and its test.

    A binary label has both classes; no feature is null everywhere, out of range, later than its event, or knows the label; no
    event has two labels; the test repeats nothing that was learned.

    Args:
        workspace: Where the pages go.
        plans: What computes the features.
        task: What is trained.
        bounds: From where on a feature knows too much; None for the usual.
    """
    from validation.gates.report import Report
    from validation.gates.suites import TrainingSpec, suite_for_training
    from validation.leakage.checks import Labelled, LeakBounds, find_leaks, find_repeats

    functions = {f"{plan.view}__{feature.name}": feature.function for plan in plans for feature in plan.features}
    checks = {f"{plan.view}__{name}": check for plan in plans for name, check in plan.checks.items()}
    known_after = task.known_after // timedelta(microseconds=1)
    given = Labelled(
        task.label, task.predicts, task.features, task.keys, task.event_id, task.timestamp, task.arrived, known_after
    )
    limits = bounds or LeakBounds()

    def check_training(frame: pd.DataFrame) -> None:
        known = {name: one for name, one in checks.items() if name in task.features}
        spec = TrainingSpec(
            task.service,
            task.keys,
            task.label,
            {column: functions.get(column, "") for column in task.features},
            task.timestamp,
            (0, 1) if task.predicts == "binary" else (),
            known,
        )
        _require(
            workspace,
            frame,
            suite_for_training(spec),
            lambda _: [*find_leaks(frame, given, limits), *_find_conflicts(task, frame)],
        )

    def check_test(trained: pd.DataFrame, tested: pd.DataFrame) -> None:
        found = find_repeats(trained, tested, given, limits)
        _conclude(workspace, Report(f"{task.service}-test", len(tested), tuple(found)))

    return TrainingGates(check_training, check_test)


def check_names(workspace: Workspace, tables: Iterable[EventTable], views: Iterable[str]) -> None:
    """Refuse expectations of what there is not: nobody would ever check them.

    Raises:
        ExpectationsFileError: The repo's `expectations.py` names such, or cannot be read.
    """
    from validation.gates.handwritten import load_expectations

    load_expectations(workspace.repo, {*(table.name for table in tables), *views})


def _judge_days(engine: Engine, table: EventTable, keys: Sequence[str], now: int | None) -> list[Finding]:
    from validation.daily.judge import judge_days, judge_freshness
    from validation.daily.statistics import read_days

    days = read_days(engine, table.timestamp, table.event_id, keys)
    late = table.known_after
    newest = None if days is None else days.newest
    found = [] if now is None else judge_freshness(newest, table.timestamp, table.checks, now - late)
    if days is not None:
        found += judge_days(days, table.checks, days.newest if now is None else now - late)
    return found


def _find_conflicts(task: TrainingTask, frame: pd.DataFrame) -> list[Finding]:
    """Look for events with two labels in the files of the days that are trained on, where these are on this machine."""
    from validation.leakage.checks import find_label_conflicts

    folder = Path(task.path)
    first, last = (f"{moment:%Y-%m-%d}" for moment in (frame[task.timestamp].min(), frame[task.timestamp].max()))
    days = [folder / f"date={day}" for day in days_of(task.path) if first <= day <= last] if folder.is_dir() else []
    files = days or ([folder] if folder.is_dir() else [])
    return [find_label_conflicts(files, task.event_id, task.label)] if files else []


def _require(
    workspace: Workspace,
    rows: Rows,
    suite: ExpectationSuite,
    more: Callable[[Engine], list[Finding]] = lambda _: [],
) -> Report:
    """Check rows, in frames or where an engine has them, and what there is `more` if they are what they must be; conclude."""
    from validation.gates.engine import open_duckdb
    from validation.gates.gate import check
    from validation.gates.whole import Many, check_here, check_whole

    if callable(rows):
        opened = rows
        with opened() as engine:
            report = check_whole(engine, suite)
    else:
        source = rows.rows if isinstance(rows, Many) else rows
        opened = partial(open_duckdb, source)
        report = check_here(source, suite) if isinstance(rows, Many) else check(source, suite)
    if report.success and report.rows:
        with opened() as engine:
            report = report.with_findings(more(engine))
    return _conclude(workspace, report)


def _conclude(workspace: Workspace, report: Report) -> Report:
    """Write the page, tell the warnings, and raise where the data may not pass."""
    from validation.gates.docs import write_docs

    write_docs([report], workspace.data, datetime.now(UTC))
    for finding in report.warnings:
        print(f"warning: {report.suite}: {finding.describe()}", file=sys.stderr, flush=True)
    return report.require_success()
