"""Plans of the shipped feature repo. Importing Feast costs seconds, once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from contract.durations import format_duration
from pipelines.plan import ViewPlan

REPO = Path(__file__).resolve().parents[2] / "feature_repo"


@pytest.fixture(scope="module")
def shipped() -> dict[str, ViewPlan]:
    """Plans of the feature repo that comes with the project."""
    from pipelines.plan_view import plan_views
    from workspace.workspace import Workspace, read_declarations

    workspace = Workspace.from_env({"REPO": str(REPO), "MILLRACE_DATA": str(REPO.parent / "data")})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MILLRACE_DATA", str(workspace.data))
        return {plan.view: plan for plan in plan_views(read_declarations(workspace))}


def test_shipped_views_are_planned_streams_first(shipped: dict[str, ViewPlan]) -> None:
    assert [(plan.view, plan.kind) for plan in shipped.values()] == [
        ("customer_sequence", "stream"),
        ("customer_session", "stream"),
        ("customer_velocity", "stream"),
        ("terminal_risk", "stream"),
        ("terminal_velocity", "stream"),
        ("customer_profile", "batch"),
    ]


@pytest.mark.parametrize(
    ("view", "windows"),
    [
        ("customer_velocity", {("10min", "10s", "0s"), ("1h", "1min", "0s"), ("1d", "10min", "0s")}),
        ("customer_sequence", {("30d", "6h", "0s"), ("1d", "10min", "0s")}),
        ("customer_session", {("1d", "10min", "0s")}),
        ("terminal_velocity", {("1h", "1min", "0s"), ("1d", "10min", "0s")}),
        ("terminal_risk", {("1d", "10min", "7d"), ("7d", "1h", "7d"), ("30d", "6h", "7d")}),
        ("customer_profile", {("7d", "1d", "0s"), ("30d", "1d", "0s")}),
    ],
)
def test_shipped_windows_slide_as_documented(
    shipped: dict[str, ViewPlan], view: str, windows: set[tuple[str, str, str]]
) -> None:
    found = [feature.window for feature in shipped[view].features]
    assert {tuple(map(format_duration, (w.size, w.slide, w.delay))) for w in found} == windows
    assert all(window.aligned is (shipped[view].kind == "batch") for window in found)


def test_shipped_plans_are_printable(shipped: dict[str, ViewPlan]) -> None:
    for view, plan in shipped.items():
        shown = json.loads(plan.to_json())
        assert (shown["view"], len(shown["features"])) == (view, len(plan.features))
        assert shown["table"]["event_id"] == "transaction_id"
