"""A day of the record is held against what the champion was trained on; planted faults are found by name."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from commands import drift
from commands.drift import measure_day
from contract.records import decisions_folder, outcomes_folder
from contract.reference import LABEL, SCORE, RowDays, column_reference, write_reference
from validation.drift.served import DriftError
from workspace.workspace import Workspace

ROWS, DAY = 2000, date(2026, 3, 20)
US = pa.timestamp("us", "UTC")
Columns = dict[str, np.ndarray[Any, np.dtype[np.float64]]]


def drawn(random: np.random.Generator, rows: int = ROWS) -> Columns:
    price = np.exp(random.normal(3, 1, rows))
    price[random.random(rows) < 0.05] = np.nan
    return {
        "habits__price": price,
        "habits__count": random.poisson(2, rows).astype(float),
        SCORE: random.beta(1, 8, rows),
        LABEL: (random.random(rows) < 0.1).astype(float),
    }


def record(data: Path, columns: Columns, day: date = DAY, told: int = ROWS) -> None:
    """Record decisions of a day, and outcomes of some of them."""
    rows = len(columns[SCORE])
    ids = [f"{day}-{number}" for number in range(rows)]
    at = pa.array([datetime(day.year, day.month, day.day, tzinfo=UTC)] * rows, US)
    # A pyarrow array keeps NaN apart from null, as the record does where a feature is no number.
    features = {name: pa.array(values, from_pandas=True) for name, values in columns.items() if name != LABEL}
    for folder, table in (
        (
            decisions_folder(data, "returns_v1"),
            pa.table({"decision_id": ids, "event_timestamp": at, "model_version": ["v1"] * rows, **features}),
        ),
        (
            outcomes_folder(data, "returns_v1"),
            pa.table({"decision_id": ids, "outcome": columns[LABEL], "event_timestamp": at, "received_at": at}).slice(
                0, told
            ),
        ),
    ):
        path = folder / day.isoformat() / "w-1.parquet"
        path.parent.mkdir(parents=True)
        pq.write_table(table, path)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A workspace whose champion was trained on two weeks of such days."""
    (tmp_path / "repo").mkdir()
    (tmp_path / "repo" / "feature_store.yaml").touch()
    (tmp_path / "repo" / "serving.yaml").write_text("service: returns_v1\n")
    made = Workspace(tmp_path / "repo", tmp_path / "data", tmp_path / "repo" / "feature_store.yaml")
    random = np.random.default_rng(2)
    days = [drawn(random) for _ in range(14)]
    dates = np.repeat(np.arange("2026-03-01", "2026-03-15", dtype="datetime64[D]"), ROWS)
    rows = RowDays.of(dates, dates > np.datetime64("2026-03-07"))
    columns = [column_reference(name, np.concatenate([day[name] for day in days]), rows) for name in days[0]]
    folder = made.models / "returns_v1" / "v1"
    write_reference(folder, columns)
    (folder.parent / "CURRENT").write_text("v1\n")
    return made


def test_a_day_as_those_of_the_training_is_quiet(workspace: Workspace) -> None:
    record(workspace.data, drawn(np.random.default_rng(9)))
    found = measure_day(workspace, "returns_v1")
    assert (found["day"], found["alerts"], found["decisions"]) == ("2026-03-20", [], ROWS)
    assert set(found["columns"]) == {"habits__price", "habits__count", SCORE, LABEL}
    price = found["columns"]["habits__price"]
    assert price["served"] == pytest.approx(price["trained"], abs=0.03)
    assert 0 < price["measures"]["psi"] < price["bounds"]["psi"] < 0.1


@pytest.mark.parametrize(
    ("column", "change", "measure"),
    [
        ("habits__price", lambda values: values / 100, "psi"),  # euros where cents were
        ("habits__price", lambda values: np.where(np.isnan(values), values, 20.0), "ks"),  # a dead sensor
        ("habits__price", lambda values: np.where(np.arange(ROWS) % 5 == 0, np.nan, values), "missing"),
        ("habits__count", lambda values: values + 1, "ks"),
        (SCORE, lambda values: np.minimum(values * 1.5, 1), "psi"),
        (LABEL, lambda values: np.where(np.arange(ROWS) % 8 == 0, 1.0, values), "ks"),
    ],
)
def test_a_planted_fault_is_found_in_its_column_and_no_other(
    workspace: Workspace, column: str, change: Any, measure: str
) -> None:
    columns = drawn(np.random.default_rng(9))
    record(workspace.data, columns | {column: change(columns[column])})
    found = measure_day(workspace, "returns_v1")
    assert found["alerts"] == [column]
    assert measure in found["columns"][column]["alerts"]


def test_the_command_says_what_drifted_writes_a_page_and_fails(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in workspace.environment().items():
        monkeypatch.setenv(name, value)
    columns = drawn(np.random.default_rng(9))
    record(workspace.data, columns, told=10)
    assert drift.main() == 0
    assert "0 of 3 columns have drifted" in capsys.readouterr().out
    record(workspace.data, columns | {"habits__count": columns["habits__count"] * 3}, DAY + timedelta(days=1))
    monkeypatch.setenv("DAY", "2026-03-21")
    assert drift.main() == 1
    assert "habits__count" in capsys.readouterr().out
    page = workspace.reports / "drift" / "returns_v1" / "2026-03-21.html"
    assert "habits__count" in page.read_text()
    assert json.loads(page.with_suffix(".json").read_text())["alerts"] == ["habits__count"]
    first = json.loads((page.parent / "2026-03-20.json").read_text())
    assert first["left_out"] == {LABEL: "10 values, too few"}


def test_days_without_decisions_are_refused(workspace: Workspace) -> None:
    with pytest.raises(DriftError, match="no decision of a day that is over is recorded"):
        measure_day(workspace, "returns_v1")
    record(workspace.data, drawn(np.random.default_rng(9)))
    with pytest.raises(DriftError, match="no decision is recorded of 2026-03-01; there are decisions of 2026-03-20"):
        measure_day(workspace, "returns_v1", date(2026, 3, 1))
