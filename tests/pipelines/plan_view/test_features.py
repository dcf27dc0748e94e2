"""Features that cannot be kept: functions, windows, names and types, every refusal by its text."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from pipelines.plan import PlanError, ViewPlan

ALL = "at, id, n, page, price, user_id"
SUM = {"column": "price", "function": "sum"}
Make = Callable[..., ViewPlan]


@pytest.mark.parametrize(
    ("aggregation", "message"),
    [
        (
            {"column": "nope", "function": "sum"},
            rf"v\.f: column 'nope' is not a column of the events; use one of {ALL}",
        ),
        (
            SUM | {"slide_interval": timedelta(minutes=7)},
            r"v\.f: slide 7min does not divide size 1h; use a divisor such as 6min",
        ),
        (
            SUM | {"slide_interval": timedelta(hours=2)},
            r"v\.f: slide 2h does not divide size 1h; use a divisor such as 1h",
        ),
        (
            SUM | {"time_window": timedelta(seconds=30)},
            r"v\.f: a window of 30s has no slide of its own: .* or give slide_interval",
        ),
        (
            {"column": "price", "function": "median"},
            r"v\.f: unknown function 'median'; use one of count, .*, last_n\(N\), .*session_count",
        ),
        (
            {"column": "page", "function": "last_n"},
            r"v\.f: 'last_n' needs how many values to keep, 1 to 1000; write such as last_n\(10\)",
        ),
        (
            {"function": "session_count"},
            r"v\.f: 'session_count' needs the gap that ends a session; write such as session_count\(30min\)",
        ),
        (
            {"function": "session_count(2h)"},
            r"v\.f: the session gap is longer than the window; make time_window at least the gap",
        ),
        (SUM | {"time_window": None}, r"v\.f: no time_window; give one, such as timedelta\(hours=1\)"),
        ({"function": "sum"}, rf"v\.f: sum needs a column; use one of {ALL}"),
        ({"column": "page", "function": "sum"}, r"v\.f: sum needs numbers, page is string; use count or last"),
        (
            {"column": "page", "function": "duration"},
            r"v\.f: duration needs a time, page is string; leave the column out",
        ),
        (
            {"column": "page", "function": "any"},
            r"v\.f: any needs booleans, page is string; let the view's transform add a column such as page_is_large",
        ),
        (
            {"column": "price", "function": "count_by(1)"},
            r"v\.f: count_by\(1\) needs texts, whole numbers or booleans, price is double; let the view's transform add",
        ),
        (
            {"column": "n", "function": "count_by(one)"},
            r"v\.f: count_by\(one\) can never be more than 0, n is int64; write a whole number",
        ),
        (
            {"column": "page", "function": "last_n(3, pages)"},
            rf"v\.f: column 'pages' is not a column of the events; use one of {ALL}",
        ),
        (
            {"column": "price", "function": "decayed_sum(30s)"},
            r"v\.f: the window is longer than 64 half-lives, and what is older weighs nothing; make time_window shorter",
        ),
        ({"column": "page", "function": "count"}, r"v\.f: gives int64, the Field says Float64; change the dtype"),
        (SUM | {"name": "date"}, r"v\.date: every feature log has a column date of its own; set another name="),
        (
            SUM | {"name": "event_timestamp"},
            r"v\.event_timestamp: every feature log has a column event_timestamp of its own",
        ),
    ],
)
def test_aggregation_that_cannot_be_kept_is_refused(stream: Make, aggregation: dict[str, Any], message: str) -> None:
    with pytest.raises(PlanError, match=message):
        stream([aggregation])


def test_two_features_of_one_name_are_refused(stream: Make) -> None:
    with pytest.raises(PlanError, match="v: f is given twice; set name= on each aggregation"):
        stream([SUM, {"column": "price", "function": "max"}])


def test_a_session_in_a_batch_view_is_refused(batch: Make) -> None:
    with pytest.raises(
        PlanError, match=r"b\.f: a session ends by itself, between slides; declare it in a StreamFeatureView"
    ):
        batch([{"function": "session_count(10min)"}])


def test_schema_and_aggregations_must_be_the_same_names(feast: SimpleNamespace, stream: Make) -> None:
    more = [feast.Field(name=name, dtype=feast.Float64) for name in ("f", "g")]
    with pytest.raises(PlanError, match=r"v\.g: no aggregation gives it; the schema lists the join keys and one Field"):
        stream([SUM], gives=more)
    with pytest.raises(
        PlanError, match=r"v\.f: schema has no Field for it; the schema lists the join keys and one Field"
    ):
        stream([SUM, SUM | {"name": "g"}], gives=more[1:])


def test_schema_must_hold_the_join_keys(feast: SimpleNamespace, stream: Make) -> None:
    with pytest.raises(PlanError, match="v: no join key in the schema; add a Field for each join key of its entities"):
        stream([SUM], schema=[feast.Field(name="f", dtype=feast.Float64)])


def test_types_of_fields_are_held_against_what_the_functions_give(feast: SimpleNamespace, stream: Make) -> None:
    def field(dtype: Any) -> list[Any]:
        return [feast.Field(name="f", dtype=dtype)]

    stream([{"column": "n", "function": "sum"}], gives=field(feast.Int64))
    stream([{"column": "page", "function": "last_n(3)"}], gives=field(feast.Array(feast.String)))
    stream([{"column": "at", "function": "last"}], gives=field(feast.Int64))
    with pytest.raises(PlanError, match=r"v\.f: gives int64, the Field says Float64; change the dtype"):
        stream([{"column": "n", "function": "sum"}], gives=field(feast.Float64))
    with pytest.raises(PlanError, match=r"v\.f: gives list.*string.*, the Field says .*; change the dtype"):
        stream([{"column": "page", "function": "last_n(3)"}], gives=field(feast.String))
    with pytest.raises(PlanError, match=r"v\.f: Feast keeps UnixTimestamp online in whole seconds; write dtype=Int64"):
        stream([{"column": "at", "function": "last"}], gives=field(feast.UnixTimestamp))
