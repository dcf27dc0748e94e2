"""The live state of a view: what it gives, what it keeps, what it forgets. Values are judged in test_every_engine.py."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.batch.compute import compute_log
from pipelines.semantics.panes.live import OtherProgramError
from pipelines.semantics.reference import Event
from pipelines.stream.view_state import ViewState

MINUTE = 60_000_000
BLANK = {"money": None, "whole": None, "word": None, "flag": None}


def event(number: int, ts: int, money: float | None = 1.0) -> tuple[str, Event]:
    return "a", Event(ts, number, BLANK | {"money": money})


@pytest.fixture
def state(lab: Any) -> ViewState:
    return ViewState(lab.plan([lab.feature("sum", "money", 10 * MINUTE, MINUTE)]))


def rows(lab: Any, state: ViewState, table: pa.Table | None) -> list[tuple[int, tuple[Any, ...]]]:
    return [] if table is None else lab.table_logs(table, state.plan.features)["a"]


def test_nothing_new_gives_nothing(lab: Any, state: ViewState) -> None:
    assert state.advance(lab.table([]), 5 * MINUTE) is None


def test_an_event_twice_counts_once(lab: Any, state: ViewState) -> None:
    assert rows(lab, state, state.advance(lab.table([event(1, 0), event(1, 0)]), 1)) == [(1, (1.0,))]
    assert rows(lab, state, state.advance(lab.table([event(1, 0)]), 2)) == []


def test_an_event_ahead_of_time_waits(lab: Any, state: ViewState) -> None:
    assert rows(lab, state, state.advance(lab.table([event(1, 5 * MINUTE)]), 5 * MINUTE)) == []
    assert rows(lab, state, state.advance(lab.table([]), 5 * MINUTE + 1)) == [(5 * MINUTE + 1, (1.0,))]


def test_time_that_goes_back_moves_nothing(lab: Any, state: ViewState) -> None:
    state.advance(lab.table([event(1, 0)]), 5 * MINUTE)
    assert rows(lab, state, state.advance(lab.table([]), MINUTE)) == []
    assert state.frontier == 5 * MINUTE


#  time is at 5:00 when an event of 2:00 comes; the rows before it are stored with times up to 5:00
#
#      0:00      2:00      4:00      5:00 = the frontier
#        x---------|---------x---------|
#                  ^ comes last: the row is given for 5:00, not for 2:00 + 1 us, or the store would refuse it as older
#
def test_a_late_events_correction_replaces_the_rows_given_before(lab: Any, state: ViewState) -> None:
    state.advance(lab.table([event(1, 0), event(2, 4 * MINUTE)]), 5 * MINUTE)
    assert rows(lab, state, state.advance(lab.table([event(3, 2 * MINUTE)]), 5 * MINUTE)) == [(5 * MINUTE, (3.0,))]


def test_a_late_event_of_a_window_that_has_passed_corrects_nothing_that_is_seen(lab: Any, state: ViewState) -> None:
    state.advance(lab.table([event(1, 0), event(2, 30 * MINUTE)]), 30 * MINUTE + 1)
    assert state.advance(lab.table([event(3, MINUTE)]), 30 * MINUTE + 1) is None


def test_events_that_no_window_reaches_are_forgotten(lab: Any, state: ViewState) -> None:
    for number in range(500):
        state.advance(lab.table([event(number, number * MINUTE)]), number * MINUTE + 1)
    assert len(state) < 40


@pytest.mark.parametrize("ts", [5 * MINUTE - 1, 5 * MINUTE, 5 * MINUTE + 1])
@pytest.mark.parametrize("steps", ["one step", "stopping just before", "many steps"])
def test_an_event_leaves_at_its_instant_however_time_moves(lab: Any, ts: int, steps: str) -> None:
    feature = lab.feature("sum", "money", 10 * MINUTE, 5 * MINUTE)
    leaves, state = feature.window.leaves(ts), ViewState(lab.plan([feature]))
    state.advance(lab.table([event(1, ts)]), ts + 1)
    before = {"one step": [], "stopping just before": [leaves - 1], "many steps": range(ts + 2, leaves, MINUTE)}[steps]
    assert [state.advance(lab.table([]), t) for t in before] == [None] * len(before)
    assert rows(lab, state, state.advance(lab.table([]), leaves)) == [(leaves, (0.0,))]


@pytest.mark.parametrize("delay", [0, 3 * MINUTE])
@pytest.mark.parametrize("stop_before", [False, True])
def test_a_session_ends_by_itself_when_only_time_moves(lab: Any, delay: int, stop_before: bool) -> None:
    state = ViewState(lab.plan([lab.feature("session_count(2min)", None, 10 * MINUTE, MINUTE, delay)]))
    end = MINUTE + delay + 2 * MINUTE
    assert rows(lab, state, state.advance(lab.table([event(1, MINUTE)]), MINUTE + delay + 1)) == [
        (MINUTE + delay + 1, (1,))
    ]
    if stop_before:
        assert state.advance(lab.table([]), end - 1) is None
    assert rows(lab, state, state.advance(lab.table([]), end)) == [(end, (0,))]


def test_many_entities_in_small_batches_are_all_kept(lab: Any, state: ViewState) -> None:
    everyone = [(f"user {n % 37}", Event(n * 1_000, n, BLANK | {"money": 1.0})) for n in range(370)]
    for begin in range(0, len(everyone), 7):
        state.advance(lab.table(everyone[begin : begin + 7]), everyone[min(begin + 6, 369)][1].ts + 1)
    last = state.advance(
        lab.table([(user, Event(MINUTE, 1000 + i, BLANK)) for i, (user, _) in enumerate(everyone[:37])]), MINUTE + 1
    )
    assert last is None, "an event without a value changes no sum"
    left = state.advance(lab.table([]), 11 * MINUTE)
    assert left is not None
    assert left[state.plan.features[0].name].to_pylist() == [0.0] * 37


def test_a_state_of_other_features_is_refused_with_what_to_do(lab: Any, state: ViewState) -> None:
    state.advance(lab.table([event(1, 0)]), 1)
    wider = lab.plan([lab.feature("sum", "money", 20 * MINUTE, MINUTE)])
    with pytest.raises(OtherProgramError, match=r"of other features than are declared now; .*start with FRESH=1"):
        ViewState(wider, state.snapshot())
    assert len(ViewState(state.plan, state.snapshot())) == len(state)


def test_rows_of_a_long_history_in_large_steps_are_the_logs(lab: Any) -> None:
    features = [
        lab.feature("count_distinct", "word", 60 * MINUTE, MINUTE),
        lab.feature("last_n(2)", "word", 3_000 * MINUTE, 100 * MINUTE),
    ]
    random = np.random.default_rng(2)
    ts = np.cumsum(random.integers(1, 2 * MINUTE, 2_000))
    words = [
        f"w{random.integers(3) if random.random() < 0.5 else n}" for n in range(len(ts))
    ]  # few come again, many once
    events = [(f"user {random.integers(40)}", Event(int(t), n, BLANK | {"word": words[n]})) for n, t in enumerate(ts)]
    plan = lab.plan(features)
    log = set(_rows_of(compute_log(plan, lab.table(events), 0, 2**60)))
    for size in (20, 100):
        state, given = ViewState(plan), []
        for begin in range(0, len(events), size):
            step = events[begin : begin + size]
            given += _rows_of(state.advance(lab.table(step), step[-1][1].ts + 1))
        assert len(given) > 700
        assert [row for row in given if row not in log] == []


def _rows_of(table: pa.Table | None) -> list[str]:
    return [] if table is None else [str(row) for row in table.to_pylist()]


def test_an_event_that_waits_for_its_delay_is_not_late_when_its_time_comes(lab: Any) -> None:
    state = ViewState(lab.plan([lab.feature("sum", "money", 10 * MINUTE, MINUTE, 5 * MINUTE)]))
    assert rows(lab, state, state.advance(lab.table([event(1, 0)]), MINUTE, 0)) == []
    assert rows(lab, state, state.advance(lab.table([event(2, 3 * MINUTE)]), 4 * MINUTE, 2 * MINUTE)) == []
    assert rows(lab, state, state.advance(lab.table([]), 5 * MINUTE + 1, 4 * MINUTE)) == [(5 * MINUTE + 1, (1.0,))]


#  settled at 4:00: nothing before it comes any more, so ids before it are forgotten
#
#      0:00 ... 3:59.999999 | 4:00 ...
#        late, be it new     counted once
#
def test_an_id_is_known_as_far_back_as_an_event_may_come(lab: Any, state: ViewState) -> None:
    first, second = event(1, 4 * MINUTE - 1), event(2, 4 * MINUTE)
    assert rows(lab, state, state.advance(lab.table([first, second]), 5 * MINUTE, 4 * MINUTE)) == [
        (4 * MINUTE + 1, (2.0,))
    ]
    again = [first, second, event(3, 4 * MINUTE - 1), event(4, 4 * MINUTE)]
    assert rows(lab, state, state.advance(lab.table(again), 6 * MINUTE, 4 * MINUTE)) == [(5 * MINUTE, (3.0,))]


CENTS = [
    ("sum", "money"),
    ("mean", "money"),
    ("std", "money"),
    ("max", "money"),
    ("first", "word"),
    ("last_n(3)", "money"),
    ("count_distinct", "word"),
    ("session_sum(2min)", "money"),
    ("session_count_distinct(2min)", "word"),
    ("first_n(2)", "money"),
    ("last_n(3, word)", "money"),
    ("top_k(2)", "word"),
    ("approx_count_distinct", "word"),
    ("approx_quantile(0.5)", "money"),
    ("decayed_sum(90s)", "money"),
    ("matches(flag then word=a new(whole) within 3min)", None),
]


@given(data=st.data())
def test_equal_events_give_equal_bytes_however_they_came(lab: Any, data: st.DataObject) -> None:
    drawn = data.draw(lab.events_strategy(dyadic=False, most=20, users="ab"))
    plan = lab.plan([lab.feature(function, column, 10 * MINUTE, MINUTE) for function, column in CENTS])
    ends = []
    for _ in range(2):
        state, arriving = ViewState(plan), data.draw(st.permutations(drawn))
        store: dict[str, tuple[Any, ...]] = {}
        while arriving:
            size = data.draw(st.integers(1, len(arriving)))
            given = state.advance(lab.table(arriving[:size]), 16 * MINUTE)
            # the time of a correction is that of the rows before it (rule 7), so it depends on when it came
            values = given.drop_columns(["event_timestamp"]).to_pylist() if given is not None else []
            store |= {row["user"]: tuple(row.values()) for row in values}
            arriving = arriving[size:]
            if data.draw(st.booleans()):
                state = ViewState(plan, pickle.loads(pickle.dumps(state.snapshot())))
        ends.append({user: repr(values) for user, values in store.items()})
    assert ends[0] == ends[1]
