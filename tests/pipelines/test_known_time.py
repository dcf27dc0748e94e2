"""An event counts from when it became known, not before (rule 12): the batch engine's logs are the reference's, row for row."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.batch.compute import compute_log
from pipelines.semantics import reference
from pipelines.semantics.reference import Event

MINUTE = 60_000_000
EVER, NEVER = -(10**12), 2**55
CASES = [
    ("count", None),
    ("sum", "money"),
    ("std", "money"),
    ("min", "whole"),
    ("max", "money"),
    ("first", "word"),
    ("last", "word"),
    ("last_n(3)", "word"),
    ("first_n(2)", "whole"),
    ("count_distinct", "word"),
    ("count_by(b)", "word"),
    ("any", "flag"),
    ("duration", None),
    ("session_count(2min)", None),
    ("session_sum(2min)", "money"),
    ("session_count_distinct(2min)", "word"),
    ("session_last_n(2min, 2)", "word"),
]
Keyed = tuple[str, Event]
LATE = st.one_of(st.none(), st.just(0), st.integers(-MINUTE, 3), st.integers(0, 40).map(lambda n: n * MINUTE // 2))


def known(lab: Any, events: list[Keyed]) -> pa.Table:
    """The events as the lake has them."""
    came = pa.array([event.arrived for _, event in events], pa.timestamp("us", "UTC"))
    return lab.table(events).append_column("came", came)


def batch_logs(lab: Any, plan: Any, events: list[Keyed], start: int = EVER, stop: int = NEVER) -> Any:
    return lab.table_logs(compute_log(plan, known(lab, events), start, stop), plan.features)


@pytest.mark.parametrize("aligned", [False, True], ids=["stream", "batch"])
@pytest.mark.parametrize(("function", "column"), CASES, ids=[f"{f}-{c}" for f, c in CASES])
@given(data=st.data())
def test_logs_are_what_the_reference_says(
    lab: Any, function: str, column: str | None, aligned: bool, data: st.DataObject
) -> None:
    if aligned and function.startswith("session_"):
        return
    delay = data.draw(st.sampled_from([0, MINUTE, 5 * MINUTE]))
    windows = [(5 * MINUTE, MINUTE), (4 * MINUTE, 2 * MINUTE)]
    features = [lab.feature(function, column, size, slide, delay, aligned) for size, slide in windows]
    drawn = data.draw(lab.events_strategy(users="ab"))
    late: dict[Any, int | None] = {}
    events = [
        (user, replace(event, arrived=None if wait is None else event.ts + wait))
        for user, event in drawn
        for wait in [late.setdefault(event.id, data.draw(LATE))]
    ]
    plan = lab.plan(features, arrived="came")
    cut = data.draw(st.sampled_from([EVER, 7 * MINUTE]))
    found = batch_logs(lab, plan, events, start=cut)
    for user in {user for user, _ in events}:
        wanted = reference.feature_log(features, lab.of_user(events, user), cut, NEVER)
        assert lab.same(found.get(user, []), wanted)


def test_the_documented_example(lab: Any) -> None:
    """Ann pays 5.0 at 12:01 and 2.5 at 12:02; the shop sends the second only at 12:09.

    12:00    12:05    12:10    12:15
      |-1-2-----|-----2'---|--------|
    """
    noon = 20_000 * 86_400_000_000 + 12 * 60 * MINUTE
    events = [
        ("ann", Event(noon + MINUTE, 1, {"money": 5.0}, noon + MINUTE)),
        ("ann", Event(noon + 2 * MINUTE, 2, {"money": 2.5}, noon + 9 * MINUTE)),
    ]
    plan = lab.plan([lab.feature("sum", "money", 10 * MINUTE, 5 * MINUTE)], arrived="came")
    assert [(t - noon, total) for t, (total,) in batch_logs(lab, plan, events)["ann"]] == [
        (MINUTE + 1, 5.0),
        (9 * MINUTE + 1, 7.5),
        (15 * MINUTE, 0.0),
    ]


def test_what_came_late_changes_no_row_before_it_came(lab: Any) -> None:
    feature = lab.feature("sum", "money", 60 * MINUTE, MINUTE)
    plan = lab.plan([feature], arrived="came")
    early = [("ann", Event(n * MINUTE, n, {"money": 1.0}, n * MINUTE)) for n in range(20)]
    late = ("ann", Event(3 * MINUTE + 1, 99, {"money": 100.0}, 15 * MINUTE))
    without, having = (batch_logs(lab, plan, events)["ann"] for events in (early, [*early, late]))
    assert [row for row in having if row[0] <= 15 * MINUTE] == [row for row in without if row[0] <= 15 * MINUTE]
    assert lab.at(having, 15 * MINUTE + 1) == (lab.at(without, 15 * MINUTE + 1)[0] + 100.0,)


def test_of_an_event_that_came_twice_the_first_time_counts(lab: Any) -> None:
    plan = lab.plan([lab.feature("count", None, 60 * MINUTE, MINUTE)], arrived="came")
    twice = [("ann", Event(MINUTE, 1, {}, came * MINUTE)) for came in (9, 4)]
    assert batch_logs(lab, plan, twice)["ann"][0] == (4 * MINUTE + 1, (1,))
