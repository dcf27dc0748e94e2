"""The gates of a workspace: suites from its plans and its own expectations, in front of whatever stores or trains."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.plan import ViewPlan
from workspace.workspace import Workspace

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa
    from great_expectations import ExpectationSuite

    from training.data.task import TrainingTask


def feature_gate(workspace: Workspace, plan: ViewPlan, rows: Path) -> None:
    """Check rows of a view, a folder of Parquet, and write the page about it.

    Raises:
        ValidationFailed: An expectation failed; the message names it and the rows.
    """
    from validation.gates.handwritten import load_expectations
    from validation.gates.suites import FeatureSpec, suite_for_features

    spec = FeatureSpec(plan.view, plan.keys, {feature.name: feature.function for feature in plan.features})
    _require(workspace, rows, suite_for_features(spec, load_expectations(workspace.repo).get(plan.view, ())))


def plain_gate(
    workspace: Workspace, view: str, keys: tuple[str, ...], features: Sequence[str], timestamp: str, rows: pa.Table
) -> None:
    """Check rows of a view that somebody else computes: its columns are there, one row an entity, and what its team expects.

    Raises:
        ValidationFailed: An expectation failed; the message names it and the rows.
    """
    from validation.gates.handwritten import load_expectations
    from validation.gates.suites import FeatureSpec, suite_for_features

    spec = FeatureSpec(view, keys, dict.fromkeys(features, ""), timestamp)
    _require(workspace, rows, suite_for_features(spec, load_expectations(workspace.repo).get(view, ())))


def event_gate(workspace: Workspace, plan: ViewPlan, rows: Path) -> None:
    """Check events of a view's table, a Parquet file or folder, and write the page about it.

    Raises:
        ValidationFailed: An expectation failed; the message names it and the rows.
    """
    from validation.gates.handwritten import load_expectations
    from validation.gates.suites import EventSpec, suite_for_events

    table = plan.table
    spec = EventSpec(table.name, dict(table.columns), plan.keys, table.timestamp, table.event_id)
    _require(workspace, rows, suite_for_events(spec, load_expectations(workspace.repo).get(table.name, ())))


def training_gate(
    workspace: Workspace, plans: Sequence[ViewPlan], task: TrainingTask
) -> Callable[[pd.DataFrame], None]:
    """Return the check of a training set: a binary label has both classes, no feature is null everywhere, none out of
    range.
    """
    from validation.gates.suites import TrainingSpec, suite_for_training

    functions = {f"{plan.view}__{feature.name}": feature.function for plan in plans for feature in plan.features}

    def check(frame: pd.DataFrame) -> None:
        features = {column: functions.get(column, "") for column in frame.columns if "__" in column}
        classes = (0, 1) if task.predicts == "binary" else ()
        spec = TrainingSpec(task.service, task.keys, task.label, features, task.timestamp, classes)
        _require(workspace, frame, suite_for_training(spec))

    return check


def _require(workspace: Workspace, source: Path | pd.DataFrame | pa.Table, suite: ExpectationSuite) -> None:
    from validation.gates.docs import write_docs
    from validation.gates.gate import check

    report = check(source, suite)
    write_docs([report], workspace.data, datetime.now(UTC))
    report.require_success()
