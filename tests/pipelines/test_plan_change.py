"""What differs between two plans is told, and whether the log must be computed anew."""

from __future__ import annotations

import doctest
from dataclasses import replace
from typing import Any

import pytest

import pipelines.plan_change
from pipelines.plan import EventTable, ViewPlan
from pipelines.plan_change import changes_of
from pipelines.semantics.aggregators.table import parse_function
from pipelines.semantics.feature import Feature
from pipelines.semantics.windows import Window

MINUTE, HOUR = 60_000_000, 3_600_000_000
COLUMNS = (("id", "bigint"), ("at", "timestamp"), ("user", "string"), ("price", "double"), ("page", "string"))
TABLE = EventTable("clicks", "/lake/clicks", "at", "id", "clicks", "user", COLUMNS, address="redis://one")


def feature(
    name: str,
    function: str = "sum",
    column: str | None = "price",
    size: int = HOUR,
    slide: int = MINUTE,
    delay: int = 0,
) -> Feature:
    aggregator, gap = parse_function(function)
    return Feature(name, aggregator, column, Window(size, slide, delay), gap, function)


PLAN = ViewPlan("users", "stream", ("user",), (feature("a"), feature("b", "count")), TABLE, "/log/users", ttl=HOUR)


def table(**fields: Any) -> ViewPlan:
    return replace(PLAN, table=replace(TABLE, **fields))


def features(*some: Feature) -> ViewPlan:
    return replace(PLAN, features=some)


def twice(events: Any) -> Any:
    return events


B = PLAN.features[1]
CASES: dict[str, tuple[ViewPlan, str, str, str, bool, bool]] = {
    "size": (features(feature("a", size=2 * HOUR), B), "changed", "a", "size 1h -> 2h", True, True),
    "slide": (features(feature("a", slide=5 * MINUTE), B), "changed", "a", "slide 1min -> 5min", True, True),
    "function": (features(feature("a", "mean"), B), "changed", "a", "function sum -> mean", True, True),
    "gap": (
        features(feature("a", "session_sum(5min)"), B),
        "changed", "a", "function sum -> session_sum(5min)", True, True,
    ),
    "column": (features(PLAN.features[0], feature("b", "count", None)), "changed", "b", "column price -> events", True, True),
    "added": (features(*PLAN.features, feature("c", "max")), "added", "c", "max of price, 1h by 1min", True, False),
    "removed": (features(B), "removed", "a", "sum of price, 1h by 1min", False, False),
    "delay": (
        features(feature("a", delay=HOUR), feature("b", "count", delay=HOUR)), "changed", "delay", "0s -> 1h", True, True,
    ),
    "keys": (replace(PLAN, keys=("user", "page")), "changed", "keys", "user -> user, page", True, True),
    "lake": (table(lake="/lake/other"), "changed", "lake", "/lake/clicks -> /lake/other", True, True),
    "event id": (table(event_id="page"), "changed", "event id", "id -> page", True, True),
    "log": (replace(PLAN, log="/log/other"), "changed", "feature log", "/log/users -> /log/other", True, False),
    "ttl": (replace(PLAN, ttl=0), "changed", "ttl", "1h -> for ever", False, False),
    "lateness": (table(lateness=MINUTE), "changed", "lateness", "0s -> 1min", False, False),
    "read column": (
        table(columns=(*COLUMNS[:3], ("price", "bigint"), COLUMNS[4])),
        "changed", "column price", "double -> bigint", True, True,
    ),
    "other column": (table(columns=COLUMNS[:4]), "changed", "column page", "string -> none", False, False),
    "transform": (replace(PLAN, transform=twice), "changed", "transform", "added", True, True),
}  # fmt: skip


@pytest.mark.parametrize(("new", "kind", "what", "said", "recompute", "values"), CASES.values(), ids=CASES)
def test_a_change_is_told_with_what_it_means(
    new: ViewPlan, kind: str, what: str, said: str, recompute: bool, values: bool
) -> None:
    (change,) = changes_of(PLAN, new)
    assert (change.kind, change.what, change.said, change.recompute, change.values) == (
        kind,
        what,
        said,
        recompute,
        values,
    )


def test_the_same_plan_and_another_broker_are_no_change() -> None:
    assert changes_of(PLAN, PLAN) == []
    assert changes_of(PLAN, table(address="redis://two")) == []


def test_a_transform_is_its_text() -> None:
    one, other = replace(PLAN, transform=twice), replace(PLAN, transform=lambda events: events)
    assert changes_of(one, other, "same", "same") == []
    (change,) = changes_of(one, other, "def f(x):\n    return x", "def f(x):\n    return 2 * x")
    assert change.said == "its text changed\n-    return x\n+    return 2 * x"


def test_examples_are_true() -> None:
    assert doctest.testmod(pipelines.plan_change).failed == 0
