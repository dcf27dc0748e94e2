"""`make compact`: which days are over, and how long replaced files stay."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from commands.compact import days_over, landed_tables, read_grace
from commands.settings import SettingError
from pipelines.batch.lake import DAY, micros
from pipelines.plan import EventTable, ViewPlan
from pipelines.stream.sinks import land_events

HOUR = DAY // 24


@pytest.fixture
def table(tmp_path: Path) -> EventTable:
    return EventTable("clicks", str(tmp_path), "at", "id", "clicks", "id", lateness=HOUR)


def land(table: EventTable, *at: int) -> None:
    events = pa.table({"id": list(range(len(at))), "at": pa.array(at, pa.timestamp("us", "UTC"))})
    land_events(events, Path(table.lake), "at")


def test_a_day_is_over_when_what_comes_for_it_would_be_late(table: EventTable) -> None:
    second = micros("2026-03-02")
    land(table, second - 2 * DAY, second - 1, second + HOUR - 1)
    assert days_over(table) == ["2026-02-28"]
    land(table, second + HOUR)
    assert days_over(table) == ["2026-02-28", "2026-03-01"]


def test_an_empty_lake_has_no_days(table: EventTable) -> None:
    assert days_over(table) == []


def test_each_table_that_a_stream_lands_is_compacted_once(table: EventTable, tmp_path: Path) -> None:
    batch = replace(table, topic=None, lake=str(tmp_path / "other"))
    nowhere = replace(table, lake=str(tmp_path / "nowhere"))
    plans = [
        ViewPlan(str(n), "stream", ("id",), (), one, "/log") for n, one in enumerate([table, table, batch, nowhere])
    ]
    assert landed_tables(plans) == [table]


def test_the_grace_is_a_duration(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read_grace() == 3600.0
    monkeypatch.setenv("GRACE", "5min")
    assert read_grace() == 300.0
    monkeypatch.setenv("GRACE", "soon")
    with pytest.raises(SettingError, match="GRACE: 'soon' is not a duration; write a whole number and a unit"):
        read_grace()
