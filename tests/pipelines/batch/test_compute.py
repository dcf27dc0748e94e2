"""What a Spark task computes, without Spark: events of some entities in, rows of the feature log out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest

from pipelines.arrange import EventError
from pipelines.batch.compute import compute_log, log_tables
from pipelines.plan import EventTable, ViewPlan
from pipelines.semantics.panes import history
from pipelines.semantics.reference import Event

MINUTE = 60_000_000
BLANK = {"money": 1.0, "whole": 1, "word": "a", "flag": True}
NEVER = 10**12


@pytest.fixture
def plan(lab: Any) -> ViewPlan:
    made: ViewPlan = lab.plan([lab.feature("sum", "money", 10 * MINUTE, MINUTE)], lake="/lake/events")
    return made


@pytest.mark.parametrize("column", ["user", "at", "id"])
def test_an_event_without_key_time_or_id_is_refused_with_what_to_do(lab: Any, plan: ViewPlan, column: str) -> None:
    table = lab.table([("a", Event(ts, ts, BLANK)) for ts in range(3)])
    field = table.schema.field(column)
    holed = table.set_column(
        table.schema.get_field_index(column), field, pa.array([None, *table[column].to_pylist()[1:]], field.type)
    )
    with pytest.raises(
        EventError, match=f"view: 1 of 3 events have no {column}; remove them from /lake/events or give them one"
    ):
        compute_log(plan, holed, 0, NEVER)


def test_an_event_that_is_in_the_lake_twice_counts_once(lab: Any, plan: ViewPlan) -> None:
    events = [("a", Event(ts, ts, BLANK)) for ts in range(3)]
    once, twice = (
        lab.table_logs(compute_log(plan, lab.table(e), 0, NEVER), plan.features) for e in (events, events * 2)
    )
    assert once == twice


@pytest.mark.parametrize(("name", "value"), [("GROUP", 9), ("ROWS", 1), ("STATE", 1)])
def test_short_stretches_few_rows_and_few_entities_at_a_time_change_nothing(
    lab: Any, plan: ViewPlan, monkeypatch: pytest.MonkeyPatch, name: str, value: int
) -> None:
    table = lab.table([(f"user {n % 7}", Event(n * MINUTE // 3, n, BLANK)) for n in range(70)])
    whole = compute_log(plan, table, 0, NEVER)
    monkeypatch.setattr(history, name, value)
    assert len(list(log_tables(plan, table, 0, NEVER, MINUTE))) > 5 or name == "ROWS"
    assert compute_log(plan, table, 0, NEVER) == whole


def test_no_events_give_a_log_without_rows_but_with_columns(lab: Any, plan: ViewPlan) -> None:
    log = compute_log(plan, lab.table([]), 0, NEVER)
    assert (len(log), log.column_names) == (0, ["user", plan.features[0].name, "event_timestamp"])


def test_a_transform_adds_columns(lab: Any, plan: ViewPlan) -> None:
    twice = replace(plan, transform=lambda events: events.assign(money=events["money"] * 2))
    log = compute_log(twice, lab.table([("a", Event(0, 0, BLANK))]), 0, MINUTE)
    assert log[plan.features[0].name].to_pylist() == [2.0]


def test_a_transform_may_not_drop_events(lab: Any, plan: ViewPlan) -> None:
    fewer = replace(plan, transform=lambda events: events[events["money"] > 1])
    with pytest.raises(EventError, match="view: its transform made 0 events of 1; it may only add columns"):
        compute_log(fewer, lab.table([("a", Event(0, 0, BLANK))]), 0, NEVER)


def test_a_transform_cannot_change_key_time_or_id(lab: Any, plan: ViewPlan) -> None:
    def meddle(events: pd.DataFrame) -> pd.DataFrame:
        return events.assign(user="b", at=pd.Timestamp(0, tz="UTC"), id=0)

    events = lab.table([("a", Event(ts, ts, BLANK)) for ts in (5, 6)])
    assert compute_log(replace(plan, transform=meddle), events, 0, NEVER) == compute_log(plan, events, 0, NEVER)


@pytest.mark.parametrize(
    ("keys", "rows"),
    [
        pytest.param(("user", "ad"), 3, id="two text keys"),
        pytest.param(("user", "slot"), 2, id="text and number"),
        pytest.param(("slot",), 2, id="a number"),
    ],
)
def test_entities_may_have_several_keys(lab: Any, keys: tuple[str, ...], rows: int) -> None:
    table = EventTable("events", "/lake", "at", "id")
    plan = ViewPlan("view", "stream", keys, (lab.feature("count", None, 10 * MINUTE, MINUTE),), table, "/log")
    events = pa.table(
        {
            "id": [1, 2, 3, 4],
            "at": pa.array([5, 5, 5, 5], pa.timestamp("us", "UTC")),
            "user": ["a", "a", "b", "b"],
            "ad": ["x", "y", "x", "x"],
            "slot": pa.array([1, 1, 2, 2], pa.int32()),
        }
    )
    log = compute_log(plan, events, 0, MINUTE)
    counts = {tuple(row[key] for key in keys): row[plan.features[0].name] for row in log.to_pylist()}
    assert len(counts) == rows
    assert sum(counts.values()) == 4
