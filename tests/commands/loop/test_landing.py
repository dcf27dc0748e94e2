"""The lake gets all tables of a run, or none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from commands.event_tables import Source
from commands.loop.history import History
from commands.loop.landing import land_checked
from contract.checks import ColumnCheck, TableChecks
from contract.durations import DAY
from pipelines.plan import EventTable
from validation.gates.report import ValidationFailed
from workspace.workspace import Workspace

COLUMNS = (("id", "bigint"), ("at", "timestamp"), ("amount", "double"))
CHECKS = TableChecks({"amount": ColumnCheck(least=0.0)})


def source(folder: Path, name: str) -> Source:
    table = EventTable(name, str(folder / "lake" / name), "at", "id", name, columns=COLUMNS, checks=CHECKS)
    return Source(table, ("at", "id"), tuple(column for column, _ in COLUMNS))


def events(amount: float = 1.0) -> pa.Table:
    at = pa.array([day * DAY for day in range(3)], pa.timestamp("us", "UTC"))
    return pa.table({"id": pa.array([1, 2, 3]), "at": at, "amount": pa.array([1.0, 1.0, amount])})


def test_one_bad_table_of_two_lands_nothing_and_leaves_what_was_there(tmp_path: Path) -> None:
    workspace = Workspace(tmp_path / "repo", tmp_path, tmp_path / "feature_store.yaml")
    sources = {name: source(tmp_path, name) for name in ("orders", "returns")}
    history = History(sources, {name: events() for name in sources}, 3 * DAY, 3 * DAY)
    land_checked(workspace, history)
    before = {file: file.read_bytes() for file in (tmp_path / "lake").rglob("*.parquet")}
    assert len(before) == 6
    changed = replace(history, events={"orders": events(2.0), "returns": events(-1.0)})
    with pytest.raises(
        ValidationFailed, match=r"returns: 1 of .*(?s:.)*1 of 3 rows, first: id=3, at=1970-01-03 .*amount=-1"
    ):
        land_checked(workspace, changed)
    assert {file: file.read_bytes() for file in (tmp_path / "lake").rglob("*.parquet")} == before
