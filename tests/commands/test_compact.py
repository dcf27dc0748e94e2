"""`make compact`: which days are over, and how long replaced files stay."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from commands.compact import compact_from_time_to_time, days_over, landed_tables, places_of, read_grace
from commands.settings import SettingError
from pipelines.batch.lake import DAY, micros
from pipelines.plan import EventTable, ViewPlan
from pipelines.stream.compaction import compacting
from pipelines.stream.log_sink import LogPartition
from pipelines.stream.online_sink import ShardRows
from pipelines.stream.outage import Outage
from pipelines.stream.sinks import land_events
from stores.parquet.log_commit import held_files

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


class Ended(Exception):  # noqa: N818 - what a process does
    """The stream is gone."""


def looks(count: int) -> Callable[[float], None]:
    """Return a sleep after which the stream looks so many times."""
    left = [count]

    def sleep(_: float) -> None:
        if not left[0]:
            raise Ended
        left[0] -= 1

    return sleep


def test_a_stream_compacts_days_that_are_over_by_itself_and_those_again_that_late_events_reach(
    table: EventTable,
) -> None:
    second = micros("2026-03-02")
    plans, said = [ViewPlan("v", "stream", ("id",), (), table, "/log")], []
    for at in (second - 3, second - 2, second + HOUR):
        land(table, at)
    day = Path(table.lake) / "date=2026-03-01"
    with pytest.raises(Ended):
        compact_from_time_to_time(plans, said.append, looks(3))
    assert said == ["compaction of clicks: 2 files became 1"]
    assert len(list(day.glob("compacted-*"))) == 1
    land(table, second - 1)
    with pytest.raises(Ended), compacting(Path(table.lake)):
        compact_from_time_to_time(plans, said.append, looks(1))  # somebody else is at it
    with pytest.raises(Ended):
        compact_from_time_to_time(plans, said.append, looks(1))
    assert said[1:] == ["compaction of clicks: 2 files became 1"]
    assert len(list((Path(table.lake) / "date=2026-03-02").glob("*"))) == 1


def write_log(log: Path, at: int, epochs: int) -> None:
    part = LogPartition(str(log), "stream-run-000000", 0, Outage("feature log"))
    for number in range(epochs):
        rows = pa.table({"event_timestamp": pa.array([at + number], pa.timestamp("us", "UTC"))})
        part.write_batch([ShardRows("v", 0, 0, 0, rows, 1)])
        part.snapshot()


def test_a_stream_compacts_the_logs_of_its_views_as_well_once_their_days_are_over(
    table: EventTable, tmp_path: Path
) -> None:
    second, said = micros("2026-03-02"), []
    table, log = replace(table, lake=str(tmp_path / "lake")), tmp_path / "log"
    land(table, second + HOUR)
    write_log(log, second - HOUR, 7)
    write_log(tmp_path / "today", second + 1, 7)
    plan = ViewPlan("v", "stream", ("id",), (), table, str(log))
    plans = [plan, replace(plan, view="w", log=str(tmp_path / "today"))]
    with pytest.raises(Ended):
        compact_from_time_to_time(plans, said.append, looks(3))
    assert said == ["compaction of log of v: 5 files became 1"]
    assert len(held_files(str(log))) == 3
    assert len(held_files(str(tmp_path / "today"))) == 7


def test_only_logs_that_a_stream_fills_on_this_machine_are_compacted(table: EventTable, tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.mkdir()
    plan = ViewPlan("v", "stream", ("id",), (), table, str(log))
    others = [
        replace(plan, view="b", kind="batch"),
        replace(plan, view="far", log="s3://bucket/log"),
        replace(plan, view="none", log=str(tmp_path / "nothing")),
        replace(plan, view="never", table=replace(table, topic=None)),
    ]
    assert [place.name for place in places_of([*others, plan], here=True)] == ["clicks", "log of v"]
