"""A batch view is brought up to date at its slide; piece by piece gives what one backfill gives."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from pipelines.batch.lake import DAY, LakeError
from pipelines.batch.refresh import Due, fill_due, find_due, slide_of
from pipelines.plan import ViewPlan
from pipelines.semantics import reference
from pipelines.stream.sinks import land_events
from stores.parquet.log_commit import held_files

HOUR = DAY // 24
FIRST = 20_000 * DAY  # 2024-10-04
Keyed = tuple[str, reference.Event]


def no_spark() -> Any:
    raise AssertionError("Spark was asked for")


@pytest.fixture
def events() -> list[Keyed]:
    random = np.random.default_rng(5)
    times = np.sort(random.integers(FIRST, FIRST + 3 * DAY, 300))
    return [
        (f"user {number % 4}", reference.Event(int(ts), number, {"money": float(number % 7)}))
        for number, ts in enumerate(times)
    ]


@pytest.fixture
def plan(lab: Any, tmp_path: Path) -> ViewPlan:
    """An hourly view over six hours and a day; its lake holds nothing yet."""
    features = [lab.feature("sum", "money", size, HOUR, aligned=True) for size in (6 * HOUR, DAY)]
    made: ViewPlan = lab.plan(features, lake=str(tmp_path / "lake"), log=str(tmp_path / "log"))
    return made


def log_of(lab: Any, plan: ViewPlan) -> Any:
    tables = [pq.read_table(path, partitioning=None) for path in held_files(plan.log)]
    return lab.table_logs(__import__("pyarrow").concat_tables(tables), plan.features)


def test_what_is_refreshed_hour_by_hour_is_what_the_reference_says(
    lab: Any, plan: ViewPlan, events: list[Keyed]
) -> None:
    last: int | None = None
    landed = FIRST
    for until in range(FIRST + 9 * HOUR, FIRST + 3 * DAY + 1, 9 * HOUR):
        new = [one for one in events if landed <= one[1].ts < until + 7]
        land_events(lab.table(new), plan.table.lake, "at")
        due = find_due(plan, last, until + 7)
        assert due is not None
        assert due.until == until
        fill_due(no_spark, plan, due)
        fill_due(no_spark, plan, due)  # doing it again gives the same
        landed, last = until + 7, due.until
    assert last is not None
    log = log_of(lab, plan)
    for user in {user for user, _ in events}:
        assert log[user] == reference.feature_log(plan.features, lab.of_user(events, user), FIRST, last + 1)


def test_a_view_is_due_at_its_slide_only(lab: Any, plan: ViewPlan, events: list[Keyed]) -> None:
    land_events(lab.table(events), plan.table.lake, "at")
    daily = replace(plan, features=(lab.feature("sum", "money", 2 * DAY, DAY, aligned=True),))
    assert (slide_of(plan), slide_of(daily)) == (HOUR, DAY)
    noon = FIRST + DAY + DAY // 2
    assert find_due(plan, noon - HOUR, noon + 5) == Due(FIRST + DAY, noon)
    assert find_due(plan, noon, noon + HOUR - 1) is None
    assert find_due(daily, FIRST + DAY, noon) is None
    assert find_due(daily, FIRST, noon) == Due(FIRST, FIRST + DAY)


def test_without_a_refresh_before_it_goes_on_from_the_log_or_from_the_lake(
    lab: Any, plan: ViewPlan, events: list[Keyed]
) -> None:
    land_events(lab.table(events), plan.table.lake, "at")
    now = FIRST + 2 * DAY + 5 * HOUR
    assert find_due(plan, None, now) == Due(FIRST, now)
    fill_due(no_spark, plan, Due(FIRST, FIRST + DAY + HOUR))
    assert find_due(plan, None, now) == Due(FIRST + DAY, now)


def test_the_newest_event_can_be_the_clock(lab: Any, plan: ViewPlan, events: list[Keyed]) -> None:
    land_events(lab.table(events), plan.table.lake, "at")
    newest = events[-1][1].ts
    assert find_due(plan, FIRST, None) == Due(FIRST, newest - newest % HOUR)


def test_an_empty_lake_is_named(plan: ViewPlan) -> None:
    with pytest.raises(LakeError, match=r"view: no events in .*lake; land them there by day first"):
        find_due(plan, None, FIRST)
