"""Gates that the commands put in front of a training: what the label's table calls its columns is what is checked."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

from commands.gates import training_gates
from training.data.task import TrainingTask
from validation.gates.report import ValidationFailed
from workspace.workspace import Workspace

TASK = TrainingTask(
    service="returns_v1",
    label="returned",
    source="returns",
    path="returns",
    timestamp="placed_at",
    event_id="order_id",
    known_after=timedelta(days=3),
    drop_known=None,
    keys=("shop",),
    request=(),
    features=("shop_load__orders",),
)


def orders(**columns: object) -> pd.DataFrame:
    """Return four orders of two shops."""
    at = pd.to_datetime(["2026-01-01"] * 4, utc=True)
    given = {
        "shop": list("aabb"),
        "placed_at": at,
        "returned": [0, 1, 0, 1],
        "shop_load__orders": [1.0, 2.0, 3.0, None],
    }
    return pd.DataFrame({**given, **columns})


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "repo", tmp_path / "data", tmp_path / "feature_store.yaml")


def test_a_label_time_of_any_name_passes(workspace: Workspace) -> None:
    training_gates(workspace, [], TASK).training(orders())
    assert (workspace.reports / "validation" / "returns_v1.html").is_file()


def test_a_null_in_it_is_found_under_its_name(workspace: Workspace) -> None:
    with pytest.raises(ValidationFailed, match=r"not_be_null\(placed_at\)"):
        training_gates(workspace, [], TASK).training(orders(placed_at=[None, *["2026-01-01"] * 3]))


@pytest.mark.parametrize(("predicts", "passes"), [("binary", False), ("regression", True), ("ranking", True)])
def test_only_a_binary_label_has_two_classes(workspace: Workspace, predicts: str, passes: bool) -> None:
    check = training_gates(workspace, [], replace(TASK, predicts=predicts)).training
    if passes:
        check(orders(returned=[0, 1, 2, 3]))
        return
    with pytest.raises(ValidationFailed, match=r"distinct_values_to_equal_set\(returned\)"):
        check(orders(returned=[0, 1, 2, 3]))
