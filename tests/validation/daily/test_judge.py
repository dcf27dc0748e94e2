"""What is said of a day in the light of those before it: at the bounds, with few days, over weekdays, and of no fault."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from contract.checks import TableChecks
from contract.durations import HOUR
from validation.daily.judge import Bounds, judge_days, judge_freshness
from validation.daily.statistics import DAY, ColumnDays, Days

FIRST = 20_454  # 2026-01-01, a Thursday
MANY = 30


def column(
    values: Any,
    median: Any = np.nan,
    *,
    constant: Any = False,
    varies: Any = True,
    mean: Any = np.nan,
    ends: Any = (0, 9),
) -> ColumnDays:
    arrays = (np.broadcast_to(one, MANY) for one in (constant, varies, median, mean))
    return ColumnDays(np.asarray(values), *arrays, ends[1], ends[0])


def days(rows: Any, columns: dict[str, ColumnDays] | None = None, marks: Any = None) -> Days:
    rows = np.asarray(rows, np.int64)
    newest = (FIRST + len(rows)) * DAY - 1
    return Days(FIRST, newest, rows, np.zeros_like(rows), marks or [*range(1, len(rows) + 1)], columns or {})


def found(given: Days, until: int = FIRST + MANY, bounds: Bounds | None = None) -> dict[str, list[str]]:
    """What is not met: the days it names, by expectation."""
    failures = [one for one in judge_days(given, TableChecks(), until * DAY, bounds) if not one.success]
    return {one.expectation: [str(row["day"]) for row in one.rows] for one in failures}


def steady(change: dict[int, int] | None = None, usual: int = 400) -> Any:
    rows = np.full(MANY, usual)
    for day, count in (change or {}).items():
        rows[day] = count
    return rows


def test_equal_days_are_as_usual() -> None:
    assert found(days(steady())) == {}


@pytest.mark.parametrize(("rows", "told"), [(199, True), (200, False), (800, False), (801, True)])
def test_a_day_may_have_half_to_twice_the_rows_of_its_weekday(rows: int, told: bool) -> None:
    assert found(days(steady({25: rows}))) == ({"expect_day_row_count_to_be_usual": ["2026-01-26"]} if told else {})


def test_a_weekend_is_held_against_weekends() -> None:
    rows = np.array([100 if (FIRST + day + 3) % 7 >= 5 else 1000 for day in range(MANY)])
    assert found(days(rows)) == {}
    rows[23] = 1000  # the fourth Saturday as if it were a Friday
    assert found(days(rows)) == {"expect_day_row_count_to_be_usual": ["2026-01-24"]}


def test_few_rows_vary_by_chance_and_few_days_say_nothing() -> None:
    assert found(days(steady({25: 25}, usual=10))) == {}
    assert found(days(steady({4: 4000}))) == {}


def test_a_day_without_rows_is_missing_where_rows_are_usual() -> None:
    assert found(days(steady({25: 0}))) == {"expect_no_day_to_be_missing": ["2026-01-26"]}
    assert found(days(steady({25: 0}, usual=8))) == {}
    assert found(days(steady()), FIRST + MANY + 2) == {"expect_no_day_to_be_missing": ["2026-01-31", "2026-02-01"]}


def test_a_feed_that_stopped_long_ago_is_missing_ever_since() -> None:
    (gap,) = [one for one in judge_days(days(steady()), TableChecks(), (FIRST + MANY + 200) * DAY) if not one.success]
    assert (gap.expectation, gap.unexpected) == ("expect_no_day_to_be_missing", 200)


def test_the_day_that_is_under_way_is_not_judged() -> None:
    assert found(days(steady({MANY - 1: 3})), FIRST + MANY - 1) == {}


def test_a_day_of_the_same_contents_names_the_day_it_repeats() -> None:
    marks = [*range(MANY)]
    marks[25] = 18
    given = days(steady(), marks=marks)
    assert found(given) == {"expect_no_day_to_repeat_another": ["2026-01-26"]}
    (row,) = next(one.rows for one in judge_days(given, TableChecks(), (FIRST + MANY) * DAY) if one.rows)
    assert row["same_as"] == "2026-01-19"


def test_another_unit_is_found_on_each_of_its_days_until_it_is_the_usual_one() -> None:
    median = np.where(np.arange(MANY) >= 10, 4700.0, 47.0)
    told = judge_days(days(steady(), {"price": column(steady(), median)}), TableChecks(), (FIRST + MANY) * DAY)
    (bad,) = [one for one in told if not one.success]
    assert (bad.expectation, bad.columns) == ("expect_column_daily_median_to_be_usual", ("price",))
    assert bad.unexpected == 10  # then half of the days before have it
    assert bad.rows[0] == {"day": "2026-01-11", "median": 4700.0, "usual": 47.0}


def test_a_column_that_stands_still_is_found_and_one_that_always_did_is_not() -> None:
    constant = np.arange(MANY) == 25
    assert found(days(steady(), {"x": column(steady(), constant=constant)})) == {
        "expect_column_to_vary_each_day": ["2026-01-26"]
    }
    often = np.arange(MANY) % 4 == 1
    assert found(days(steady(), {"x": column(steady(), constant=often)})) == {}
    dead = judge_days(
        days(steady(), {"x": column(steady(), constant=np.arange(MANY) >= 25)}), TableChecks(), (FIRST + MANY) * DAY
    )
    assert [one.unexpected for one in dead if one.expectation == "expect_column_to_vary_each_day"] == [5]


def test_a_rare_outcome_may_stay_away_for_a_day() -> None:
    still = np.arange(MANY) == 25
    rare = column(steady(), 0.0, constant=still, varies=False, mean=0.01, ends=(0, 1))
    often = column(steady(), 0.0, constant=still, varies=False, mean=0.4, ends=(0, 1))
    assert found(days(steady(), {"code": column(steady(), 0.0, constant=still, varies=False, ends=(0, 3))})) == {}
    assert found(days(steady(), {"sold": rare})) == {}
    assert "expect_column_to_vary_each_day" in found(days(steady(), {"sold": often}))


def test_a_rate_that_jumps_is_found() -> None:
    mean = np.where(np.arange(MANY) == 25, 0.2, 0.05)
    assert found(days(steady(), {"sold": column(steady(), 0.0, mean=mean, ends=(0, 1))})) == {
        "expect_column_daily_rate_to_be_usual": ["2026-01-26"]
    }
    mild = np.where(np.arange(MANY) == 25, 0.08, 0.05)
    assert found(days(steady(), {"sold": column(steady(), 0.0, mean=mild, ends=(0, 1))})) == {}


def test_nulls_are_held_against_the_usual_share() -> None:
    assert found(days(steady(), {"x": column(steady({25: 300}))})) == {
        "expect_column_daily_nulls_to_be_usual": ["2026-01-26"]
    }
    assert found(days(steady(), {"x": column(steady({25: 330}))})) == {}


@pytest.mark.parametrize(("age", "success"), [(26 * HOUR, True), (26 * HOUR + 1, False)])
def test_the_newest_row_may_be_exactly_so_old(age: int, success: bool) -> None:
    (one,) = judge_freshness(FIRST * DAY, "at", TableChecks(fresh=26 * HOUR), FIRST * DAY + age)
    assert one.success is success
    assert one.describe().startswith("expect_newest_row_to_be_recent(at) [max_age=26h]: ")
    assert judge_freshness(FIRST * DAY, "at", TableChecks(), 2**60) == []
    assert not judge_freshness(None, "at", TableChecks(fresh=HOUR), 0)[0].success
