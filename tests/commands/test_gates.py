"""Gates that the commands put in front of a training: what the label's table calls its columns is what is checked."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

from commands.gates import training_gates
from commands.settings import SettingError
from commands.train import read_leak_bounds
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


def many_orders() -> pd.DataFrame:
    """Return a hundred orders, every fourth returned, with a load that says nothing."""
    rows = range(100)
    at = pd.date_range("2026-01-01", periods=100, freq="h", tz="UTC", unit="us")
    load = [float(row * 7 % 10) for row in rows]
    returned = [int(row % 4 == 0) for row in rows]
    columns = {"order_id": rows, "shop": list("abcde") * 20, "placed_at": at, "returned": returned}
    return pd.DataFrame({**columns, "shop_load__orders": load})


def test_a_training_set_that_knows_its_label_is_stopped_and_an_honest_one_is_not(workspace: Workspace) -> None:
    gates, honest = training_gates(workspace, [], TASK), many_orders()
    gates.training(honest)
    with pytest.raises(
        ValidationFailed, match=r"know_the_label\(returned\).* first: feature=shop_load__orders, AUROC=1\.0"
    ):
        gates.training(honest.assign(shop_load__orders=honest["returned"] * 3.0))


def test_a_bound_may_be_another_and_a_leak_a_warning(
    workspace: Workspace, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LEAK_SEVERITY", "warning")
    leak = many_orders().assign(shop_load__orders=lambda frame: frame["returned"] * 3.0)
    training_gates(workspace, [], TASK, read_leak_bounds()).training(leak)
    assert "warning: returns_v1: expect_no_feature_to_know_the_label(returned)" in capsys.readouterr().err
    monkeypatch.setenv("LEAK_SEVERITY", "mild")
    with pytest.raises(SettingError, match="LEAK_SEVERITY=mild: no severity; write one of critical, warning, info"):
        read_leak_bounds()


def test_an_event_with_two_labels_in_the_lake_is_not_learned(workspace: Workspace, tmp_path: Path) -> None:
    frame = many_orders()
    day = tmp_path / "returns" / "date=2026-01-02"
    day.mkdir(parents=True)
    frame[["order_id", "returned"]].to_parquet(day / "part-0.parquet")
    gates = training_gates(workspace, [], replace(TASK, path=str(tmp_path / "returns")))
    gates.training(frame)
    frame.tail(1)[["order_id"]].assign(returned=1).to_parquet(day / "part-1.parquet")
    with pytest.raises(
        ValidationFailed, match=r"event_to_have_one_label.*1 of 101 rows, first: order_id=99, labels=\[0, 1\]"
    ):
        gates.training(frame)


def test_a_test_that_repeats_what_was_trained_on_is_stopped(workspace: Workspace) -> None:
    gates, frame = training_gates(workspace, [], TASK), many_orders()
    gates.test(frame[:50], frame[50:].assign(shop_load__orders=100.0))
    with pytest.raises(ValidationFailed, match=r"returns_v1-test: 1 of 2 .*(?s:.)*not_to_be_trained_on.*10 of 60 rows"):
        gates.test(frame[:50], frame[40:])
