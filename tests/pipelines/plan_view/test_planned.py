"""What a plan says of views that can be kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

from contract.durations import DAY, HOUR, MINUTE, format_duration
from pipelines.plan import ViewPlan
from pipelines.semantics.windows import Window

SUM = {"column": "price", "function": "sum"}
Make = Callable[..., ViewPlan]


def test_stream_view_is_planned_as_declared(stream: Make) -> None:
    plan = stream([SUM], tags={"millrace.delay": "3d", "owner": "growth"})
    assert (plan.view, plan.kind, plan.keys, plan.inputs, plan.log) == (
        "v",
        "stream",
        ("user_id",),
        ("price",),
        "/log/v",
    )
    assert plan.features[0].window == Window(HOUR, MINUTE, 3 * DAY)
    assert (plan.table.name, plan.table.lake, plan.table.event_id, plan.table.partition_by) == (
        "clicks",
        "/lake/clicks",
        "id",
        "user_id",
    )
    assert (format_duration(plan.table.lateness), format_duration(plan.ttl)) == ("5min", "2d")
    assert plan.reach == 3 * DAY + HOUR + MINUTE


def test_batch_view_is_planned_with_its_transform(batch: Make) -> None:
    plan = batch([{"column": "twice", "function": "sum", "slide_interval": timedelta(minutes=30)}])
    assert plan.features[0].window == Window(HOUR, 30 * MINUTE, aligned=True)
    assert (plan.kind, plan.inputs, plan.table.topic, plan.log) == ("batch", ("twice",), None, "/log/b")


def test_a_missing_slide_and_one_that_is_the_window_are_both_the_default(stream: Make) -> None:
    for given in ({}, {"slide_interval": timedelta(hours=1)}):
        assert format_duration(stream([SUM | given]).features[0].window.slide) == "1min"


def test_a_given_slide_is_kept(stream: Make) -> None:
    assert (
        format_duration(stream([SUM | {"slide_interval": timedelta(minutes=20)}]).features[0].window.slide) == "20min"
    )


def test_plan_is_printable_as_json(stream: Make, batch: Make) -> None:
    shown = json.loads(stream([SUM]).to_json())
    assert shown["features"] == [
        {
            "name": "f",
            "function": "sum",
            "column": "price",
            "size": "1h",
            "slide": "1min",
            "delay": "0s",
            "session_gap": None,
        }
    ]
    assert shown["table"]["columns"] == {
        "id": "bigint",
        "at": "timestamp",
        "user_id": "string",
        "price": "double",
        "n": "bigint",
        "page": "string",
    }
    assert json.loads(batch([SUM]).to_json())["transform"].endswith("<lambda>")
