"""`check_view`: passes where the meaning is met, and says what is wrong where it is not. No Feast in here."""

from __future__ import annotations

import doctest
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

import pipelines.trial.small_events
from contract.tags import DeclarationError
from pipelines import testing
from pipelines.plan import EventTable, ViewPlan
from pipelines.semantics.aggregators.table import parse_function
from pipelines.semantics.feature import Feature
from pipelines.semantics.panes import history
from pipelines.semantics.windows import Window
from pipelines.testing import EngineMismatchError, FeatureMismatchError, check_view, values_at
from pipelines.trial.small_events import SmallTableError

MINUTE, HOUR, DAY = 60_000_000, 3_600_000_000, 86_400_000_000
COLUMNS = (("id", "bigint"), ("at", "timestamp"), ("user", "string"), ("price", "double"), ("word", "string"))
EVENTS = """
    | user | at                  | price |
    |------|---------------------|-------|
    | ann  | 2026-01-01 11:00:59 | 1.0   |
    | ann  | 2026-01-01 11:10    | 5.0   |
    | ann  | 2026-01-01 11:50    | null  |
    | ann  | 2026-01-01 12:00    | 100.0 |
    | bob  | 2026-01-01 11:30    | 2.5   |
"""
NOON = "2026-01-01 12:00"


def plan(*functions: str, size: int = HOUR, slide: int = MINUTE, delay: int = 0, **fields: Any) -> ViewPlan:
    """A plan whose features are named by `function column`."""
    features = []
    for text in functions:
        function, _, column = text.partition(" ")
        aggregator, gap = parse_function(function)
        window = Window(size, slide, delay, fields.get("kind") == "batch")
        features.append(Feature(text, aggregator, column or None, window, gap, function))
    table = EventTable("clicks", "/nowhere", "at", "id", "clicks", "user", COLUMNS)
    given: dict[str, Any] = {"kind": "stream", "table": table, "log": "/nowhere"}
    return ViewPlan(view="clicks_of_user", keys=("user",), features=tuple(features), **(given | fields))


def test_values_that_are_right_pass() -> None:
    view = plan("sum price", "count", "last_n(2) price", "std price")
    check_view(
        view,
        events=EVENTS,
        at={
            "2026-01-01 11:59": {
                "ann": {"sum price": 6.0, "count": 3, "last_n(2) price": [1.0, 5.0], "std price": 2.828427},
                "bob": {"sum price": 2.5, "std price": None},
            },
            NOON: {"ann": {"sum price": 6}},
            datetime(2026, 1, 1, 12, 1, tzinfo=UTC): {"ann": {"sum price": 105.0, "count": 3}},
            "2026-01-01 11:00": {"ann": None},
            "2026-01-01T16:00+02:00": {"bob": {"count": 0, "sum price": 0.0, "last_n(2) price": []}},
        },
    )


def test_a_failure_says_what_was_in_the_window() -> None:
    with pytest.raises(FeatureMismatchError) as told:
        check_view(plan("sum price"), events=EVENTS, at={"2026-01-01 12:00": {"ann": {"sum price": 106.0}}})
    assert str(told.value) == (
        "clicks_of_user: 1 value is not as expected.\n"
        "\n"
        "clicks_of_user.sum price of user='ann' at 2026-01-01 12:00: expected 106.0, got 6.0\n"
        "  sum of price, 1h by 1min: events of 2026-01-01 11:00 <= time < 2026-01-01 12:00\n"
        "  in the window: 3\n"
        "    id 1  2026-01-01 11:00:59  price 1.0\n"
        "    id 2  2026-01-01 11:10  price 5.0\n"
        "    id 3  2026-01-01 11:50  price None\n"
        "  not in the window: 1\n"
        "    id 4  2026-01-01 12:00  price 100.0  (at its end, which is open)"
    )


def test_every_value_that_is_wrong_is_told() -> None:
    with pytest.raises(
        FeatureMismatchError, match=r"3 values are not(?s:.)*expected 7, got 3(?s:.)*got 6.0(?s:.)*user='bob'"
    ):
        check_view(
            plan("count", "sum price"),
            events=EVENTS,
            at={NOON: {"ann": {"count": 7, "sum price": 7.0}, "bob": {"count": 9}}},
        )


def test_no_row_and_a_row_are_different_things() -> None:
    one = [{"user": "ann", "at": NOON, "price": 1}]
    with pytest.raises(FeatureMismatchError, match=r"count of user='ann' at 2026-01-01 12:00: expected 0, got no row"):
        check_view(plan("count"), events=one, at={NOON: {"count": 0}})
    with pytest.raises(
        FeatureMismatchError, match=r"of user='ann' at 2026-01-01 12:01: expected no row, got \{'count': 1\}"
    ):
        check_view(plan("count"), events=one, at={"2026-01-01 12:01": None})


@pytest.mark.parametrize(
    ("wanted", "right"), [(0.3, True), (0.30000001, True), (0.3001, False), (0, False), (None, False)]
)
def test_floats_are_held_to_the_tolerance(wanted: Any, right: bool) -> None:
    events = [{"user": "ann", "at": "2026-01-01 11:00", "price": price} for price in (0.1, 0.2)]
    if right:
        check_view(plan("sum price"), events=events, at={"2026-01-01 11:30": {"sum price": wanted}})
    else:
        with pytest.raises(FeatureMismatchError):
            check_view(plan("sum price"), events=events, at={"2026-01-01 11:30": {"sum price": wanted}})


def test_a_delay_a_session_and_a_time_mean_what_the_rules_say() -> None:
    events = [{"user": "ann", "at": f"2026-01-01 11:{minute}"} for minute in ("00", "05", "40")]
    late = plan("count", delay=DAY)
    check_view(late, events=events, at={"2026-01-02 11:00": None, "2026-01-02 11:05:00.000001": {"count": 2}})
    check_view(plan("session_count(10min)"), events=events, at={
        "2026-01-01 11:06": {"session_count(10min)": 2},
        "2026-01-01 11:15": {"session_count(10min)": 0},
        "2026-01-01 11:41": {"session_count(10min)": 1},
    })  # fmt: skip
    last = {"last at": datetime(2026, 1, 1, 11, 5, tzinfo=UTC)}
    check_view(plan("last at"), events=events, at={"2026-01-01 11:30": last})


def test_an_event_that_is_delivered_twice_counts_once() -> None:
    again = [{"user": "ann", "at": "2026-01-01 11:00", "id": 7, "price": 1.0}] * 2
    check_view(plan("count"), events=again, at={NOON: {"count": 1}})


def test_a_row_past_its_ttl_reads_as_missing() -> None:
    events = [{"user": "ann", "at": "2026-01-01 11:00:00"}]
    view = plan("count", ttl=2 * HOUR)  # the last row is the one of 12:01, when the event left
    check_view(view, events=events, at={"2026-01-01 14:01": {"count": 0}, "2026-01-01 14:01:00.000001": None})


def test_a_batch_view_changes_at_its_slides_only() -> None:
    table = EventTable("clicks", "/nowhere", "at", "id")
    view = plan("sum price", size=2 * DAY, slide=DAY, kind="batch", table=table)
    check_view(
        view,
        events=[{"id": 1, "user": "ann", "at": "2026-01-01 11:00", "price": 2.0}],
        columns={"id": "bigint", "user": "string", "price": "double"},
        at={"2026-01-01 23:59": None, "2026-01-02": {"sum price": 2.0}, "2026-01-04": {"sum price": 0.0}},
    )
    with pytest.raises(SmallTableError, match=r"the type of user is not known; give columns=\{'user': 'bigint'\}"):
        check_view(view, events=[{"id": 1, "user": "ann"}], at={})


def test_a_transform_is_applied_first() -> None:
    view = plan("sum double_price", transform=lambda events: events.assign(double_price=events["price"] * 2))
    check_view(view, events=EVENTS, at={NOON: {"ann": {"sum double_price": 12.0}}})


def test_values_can_be_looked_at() -> None:
    assert values_at(plan("count"), events=EVENTS, at="2026-01-01 11:30") == {"ann": {"count": 2}, "bob": None}


def test_the_compiled_engine_is_held_against_the_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(features: Any, *given: Any) -> Any:
        return history.feature_log([replace(f, window=Window(2 * HOUR, MINUTE)) for f in features], *given)

    view, events = plan("count"), [{"user": "ann", "at": "2026-01-01 10:30"}, {"user": "ann", "at": "2026-01-01 11:30"}]
    check_view(view, events=events, at={NOON: {"count": 1}})
    monkeypatch.setattr("pipelines.batch.compute.feature_log", wrong)
    with pytest.raises(
        EngineMismatchError, match="count of 'ann' at 2026-01-01 12:00: the reference gives 1, the compiled"
    ):
        check_view(view, events=events, at={NOON: {"count": 1}})
    check_view(view, events=events, at={NOON: {"count": 1}}, compiled=False)


@pytest.mark.parametrize(
    ("events", "at", "said"),
    [
        ("user | at\nann | noon", {}, "event 1: at is 'noon', the column holds timestamp"),
        ("user | at\nann", {}, "line 1 of the events has 1 cells, the head 2: 'ann'; write one cell a column"),
        ([{"user": "ann"}], {}, "event 1 has no at; give each event one"),
        ([{"user": "ann", "at": NOON, "cost": 1}], {}, "no column 'cost'; use of at, id, price, user, word"),
        ([{"user": "ann", "at": NOON, "price": "dear"}], {}, "event 1: price is 'dear', the column holds double"),
        (EVENTS, {NOON: {"count": 1}}, r"events are of 2 entities \('ann', 'bob'\); say of which each value is"),
        (EVENTS, {NOON: {"zoe": {"count": 1}}}, "no event is of 'zoe'; there are events of 'ann', 'bob'"),
        (EVENTS, {NOON: {"ann": {"clicks": 1}}}, "no feature 'clicks'; use of count"),
        (EVENTS, {NOON: {"ann": {}}}, r"nothing is expected; write at=\{instant: \{feature: value\}\}"),
        (EVENTS, {"noon": {}}, "'noon' is not an instant; write such as '2026-01-31 12:00'"),
    ],
    ids=["time", "cells", "missing", "column", "value", "entity", "no entity", "feature", "nothing", "instant"],
)
def test_what_cannot_be_understood_is_named(events: Any, at: Any, said: str) -> None:
    with pytest.raises(SmallTableError, match=said):
        check_view(plan("count"), events=events, at=at)


def test_what_is_no_view_is_refused() -> None:
    with pytest.raises(SmallTableError, match=r"'views' has no aggregations; give a StreamFeatureView"):
        check_view("views", events=[], at={})
    assert not issubclass(FeatureMismatchError, DeclarationError)


def test_examples_are_true() -> None:
    assert doctest.testmod(pipelines.trial.small_events).failed == 0


def test_the_module_imports_neither_feast_nor_pandas_nor_an_engine() -> None:
    heavy = {"feast", "pandas", "pyspark", "bytewax", "ray", "numba"}
    code = f"import sys, {testing.__name__}; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
