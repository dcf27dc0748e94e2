"""What the commands decide themselves: which days, which views, how a table looks."""

from __future__ import annotations

import doctest
from pathlib import Path
from typing import Any

import pytest

import commands.table
from commands.backfill import days_to_fill
from commands.table import format_table
from pipelines.batch.lake import DAY, DayError, LakeError, day_of, days_of, micros
from pipelines.plan import EventTable, ViewPlan


def plan_over(lake: Path) -> ViewPlan:
    return ViewPlan("view", "stream", ("user",), (), EventTable("events", str(lake), "at", "id"), "/log")


@pytest.fixture
def plan(tmp_path: Path) -> ViewPlan:
    for day in ("2026-01-31", "2026-02-02"):
        (tmp_path / f"date={day}").mkdir()
    return plan_over(tmp_path)


def test_without_days_all_days_of_the_lake_are_filled(plan: ViewPlan) -> None:
    assert days_to_fill([plan], None, None) == (micros("2026-01-31"), micros("2026-02-03"))


def test_both_days_asked_for_are_filled(plan: ViewPlan) -> None:
    assert days_to_fill([plan], "2026-02-01", "2026-02-01") == (micros("2026-02-01"), micros("2026-02-02"))


def test_days_in_the_wrong_order_are_refused(plan: ViewPlan) -> None:
    with pytest.raises(DayError, match="FROM=2026-02-02 is after TO=2026-02-01; give the first day first"):
        days_to_fill([plan], "2026-02-02", "2026-02-01")


def test_what_is_not_a_day_is_refused(plan: ViewPlan) -> None:
    with pytest.raises(DayError, match="'yesterday' is not a day; write such as 2026-01-31"):
        days_to_fill([plan], "yesterday", None)


def test_an_empty_lake_is_named(tmp_path: Path) -> None:
    with pytest.raises(LakeError, match=f"no events in {tmp_path}/none; land Parquet there in date=YYYY-MM-DD folders"):
        days_to_fill([plan_over(tmp_path / "none")], None, None)


def test_days_are_those_of_utc() -> None:
    assert [day_of(t) for t in (-1, 0, DAY - 1, DAY)] == ["1969-12-31", "1970-01-01", "1970-01-01", "1970-01-02"]
    assert micros("2026-01-31T12:00:00+02:00") == micros("2026-01-31T10:00:00")


def test_only_day_folders_count(plan: ViewPlan) -> None:
    (Path(plan.table.lake) / "_SUCCESS").touch()
    assert days_of(plan.table.lake) == ["2026-01-31", "2026-02-02"]


def test_examples_of_the_table_are_true() -> None:
    assert doctest.testmod(commands.table).failed == 0


def test_a_table_without_rows_still_has_its_head() -> None:
    assert format_table(("view", "rows"), []).splitlines()[0] == "view  rows"


def test_a_view_that_was_not_applied_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from stores.cells.layout import LayoutError, layouts_of

    class Empty:
        def list_feature_views(self) -> list[Any]:
            return []

        list_stream_feature_views = list_feature_views

    with pytest.raises(LayoutError, match="clicks, views: not in the registry; run `make apply`"):
        layouts_of(Empty(), ["clicks", "views"])  # type: ignore[arg-type]
