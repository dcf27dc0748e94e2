"""Faults planted into the shipped simulator's events are found by the gate in front of the lake; good events are not."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from benchmarks.planting import FAULTS, ID, TIME, Fault, day_numbers, in_cents
from commands.gates import event_gate
from contract.checks import TableChecks
from contract.durations import DAY
from pipelines.plan import EventTable
from validation.gates.report import Report, ValidationFailed
from workspace.workspace import Workspace

sys.path.append(str(Path(__file__).parents[2] / "feature_repo"))
from simulator.generator import World, generate

WORLD = World(customers=120, terminals=200, days=40)
COLUMNS = "transaction_id bigint, event_timestamp timestamp, customer_id bigint, terminal_id bigint, amount double"
TABLE = EventTable(
    "transactions",
    "lake",
    TIME,
    ID,
    "transactions",
    columns=tuple((name, kind) for name, _, kind in (part.partition(" ") for part in COLUMNS.split(", "))),
    checks=TableChecks(fresh=DAY),
)
REQUIRED = (TIME, ID, "customer_id")


@pytest.fixture(scope="module")
def events() -> pa.Table:
    """Forty days of transactions."""
    return generate(WORLD).select([name for name, _ in TABLE.columns])


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "repo", tmp_path / "data", tmp_path / "feature_store.yaml")


def gate(workspace: Workspace, events: pa.Table, table: EventTable = TABLE) -> Report:
    """Asks at the midnight after the last day; gives the report of data that is stopped as well."""
    try:
        return event_gate(workspace, table, REQUIRED, events, now=int(WORLD.end.timestamp()) * 1_000_000)
    except ValidationFailed as stopped:
        return stopped.report


def test_good_events_of_forty_days_break_nothing(workspace: Workspace, events: pa.Table) -> None:
    report = gate(workspace, events)
    assert [one.describe() for one in report.failures] == []
    assert len(report.findings) > 25


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.plant.__name__)
def test_a_planted_fault_is_found_by_its_check_on_its_day(workspace: Workspace, events: pa.Table, fault: Fault) -> None:
    day = int(day_numbers(events)[-1]) - 3
    failures = {one.expectation: one for one in gate(workspace, fault.plant(events, day)).failures}
    assert fault.found_by in failures
    rows = failures[fault.found_by].rows
    if rows and "day" in rows[0]:
        assert rows[0]["day"] == str((WORLD.midnight(WORLD.days - 4)).date())


def test_a_day_out_of_line_warns_and_stops_where_the_table_says_so(
    workspace: Workspace, events: pa.Table, capsys: pytest.CaptureFixture[str]
) -> None:
    broken = in_cents(events, int(day_numbers(events)[-1]) - 3)
    assert gate(workspace, broken).success
    said = capsys.readouterr().err
    assert (
        "warning: transactions: expect_column_daily_median_to_be_usual(amount) [within 4 times]: 4 of 40 days" in said
    )
    assert "first: day=2025-02-06, median=" in said
    strict = replace(TABLE, checks=replace(TABLE.checks, daily_severity="critical"))
    with pytest.raises(
        ValidationFailed, match=r"daily_median_to_be_usual\(amount\).*3 of 39 days, first: day=2025-02-06"
    ):
        event_gate(workspace, strict, REQUIRED, broken)
    off = replace(TABLE, checks=replace(TABLE.checks, daily=None))
    assert not gate(workspace, broken, off).failures
