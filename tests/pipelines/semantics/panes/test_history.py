"""The feature log that the engines compute, against the reference: timestamps and values (rules 1 to 6 and 11)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.semantics import reference
from pipelines.semantics.feature import Feature
from pipelines.semantics.panes import history
from pipelines.semantics.panes.history import feature_log
from pipelines.semantics.rows import Rows

MINUTE = 60_000_000
TABLE = [
    ("count", None, 10, 1),
    ("sum", "money", 10, 5),
    ("mean", "money", 4, 2),
    ("min", "money", 10, 1),
    ("max", "whole", 10, 1),
    ("count_distinct", "word", 10, 1),
    ("last_n(3)", "word", 10, 1),
    ("first", "flag", 5, 1),
    ("last", "money", 10, 1),
    ("sum", "whole", 5, 5),
    ("duration", None, 10, 2),
]
SESSIONS = [
    ("session_count(2min)", None, 10, 1),
    ("session_sum(2min)", "money", 10, 5),
    ("session_duration(90s)", None, 10, 1),
    ("session_last(10min)", "word", 10, 1),
]
delays = st.sampled_from([0, 0, 3 * MINUTE, 90_000_000, 7])
many = settings(max_examples=settings.default.max_examples * 3 // 2)


def features_of(lab: Any, delay: int, aligned: bool, table: list[Any]) -> list[Feature]:
    return [lab.feature(f, column, size * MINUTE, slide * MINUTE, delay, aligned) for f, column, size, slide in table]


@pytest.fixture(scope="session", params=[False, True], ids=["stream", "batch"])
def aligned(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


@many
@given(data=st.data())
def test_log_equals_the_reference_exactly(lab: Any, aligned: bool, data: st.DataObject) -> None:
    drawn = data.draw(lab.events_strategy())
    features = features_of(lab, data.draw(delays), aligned, TABLE if aligned else TABLE + SESSIONS)
    some = data.draw(st.sets(st.sampled_from(range(len(features))), min_size=1))
    features = [features[number] for number in sorted(some)]
    start, stop = data.draw(
        st.sampled_from([(-(10**9), 10**12), (5 * MINUTE, 12 * MINUTE), (12 * MINUTE, 12 * MINUTE + 1)])
    )
    events, users = lab.block(drawn)
    got = lab.logs(feature_log(features, events, start, stop), users)
    for user in users:
        assert got[user] == reference.feature_log(features, lab.of_user(drawn, user), start, stop)


@many
@given(data=st.data())
def test_values_of_cents_agree_at_every_row(lab: Any, aligned: bool, data: st.DataObject) -> None:
    drawn = data.draw(lab.events_strategy(dyadic=False))
    table = [(function, "money", 10, 1) for function in ("sum", "mean", "std")]
    features = features_of(lab, data.draw(delays), aligned, table)
    events, users = lab.block(drawn)
    got = lab.logs(feature_log(features, events, -(10**9), 10**12), users)
    for user in users:
        for t, values in got[user]:
            known = reference.distinct(lab.of_user(drawn, user))
            assert lab.same(values, tuple(reference.value_at(feature, known, t) for feature in features))


@many
@given(data=st.data())
def test_logs_of_two_spans_are_the_log_of_both(lab: Any, aligned: bool, data: st.DataObject) -> None:
    features = features_of(lab, data.draw(delays), aligned, TABLE[:7])
    events, users = lab.block(data.draw(lab.events_strategy()))
    a, b, c = sorted(data.draw(st.tuples(*[st.integers(-MINUTE, 30 * MINUTE)] * 3)))
    whole, first, second = (lab.logs(feature_log(features, events, *span), users) for span in ((a, c), (a, b), (b, c)))
    assert {user: first[user] + second[user] for user in users} == whole


@many
@given(data=st.data())
def test_histories_followed_in_many_stretches_are_those_followed_in_one(
    lab: Any, aligned: bool, data: st.DataObject
) -> None:
    drawn = data.draw(lab.events_strategy(users=data.draw(st.sampled_from(["a", "abc"])), most=30))
    features = features_of(lab, data.draw(delays), aligned, TABLE if aligned else TABLE + SESSIONS)
    span = data.draw(st.sampled_from([(-(10**9), 10**12), (5 * MINUTE, 12 * MINUTE), (12 * MINUTE, 25 * MINUTE)]))
    events, users = lab.block(drawn)
    whole = lab.logs(feature_log(features, events, *span), users)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(history, "GROUP", 3)
        assert lab.logs(feature_log(features, events, *span), users) == whole


#  One event at 0:30 in a window of 2 min, slide 1 min:
#
#      0:00      1:00      2:00      3:00
#        |----x----|---------|---------|
#              ^ 0:30 + 1 us: count 1   ^ 3:00 = pane 0:00 + 1 + 2 min: nothing is left, and a row says so
#
def test_a_row_says_that_the_last_event_has_left(lab: Any) -> None:
    features = [lab.feature("count", None, 2 * MINUTE, MINUTE), lab.feature("mean", "money", 2 * MINUTE, MINUTE)]
    values = {"money": 4.0, "whole": None, "word": None, "flag": None}
    events, users = lab.block([("a", reference.Event(30_000_000, 1, values))])
    log = lab.logs(feature_log(features, events, 0, 10 * MINUTE), users)
    assert log == {"a": [(30_000_001, (1, 4.0)), (3 * MINUTE, (0, None))]}


def test_a_row_says_that_the_last_event_has_left_even_if_all_its_values_were_null(lab: Any) -> None:
    features = [lab.feature("sum", "money", 2 * MINUTE, MINUTE)]
    values = {"money": None, "whole": None, "word": None, "flag": None}
    events, users = lab.block([("a", reference.Event(0, 1, values))])
    assert lab.logs(feature_log(features, events, 0, 10 * MINUTE), users) == {"a": [(1, (0.0,)), (3 * MINUTE, (0.0,))]}


#  Purchases at 0:00, 1:00 and 3:00 with a gap of 2 min: neighbours less than the gap apart share a session (rule 11).
#
#      0:00      1:00      2:00      3:00      4:00      5:00
#        x---------x---------|---------x---------|---------|
#        [ 2 events: 0, 1    ^          [ a new one, 1     ^ 5:00 = last + gap: it ends by itself
#                             3:00 = 1:00 + gap is also where the first one ends; the event at 3:00 enters 1 us later
#
def test_a_session_ends_by_itself_at_the_gap(lab: Any) -> None:
    features = [lab.feature("session_count(2min)", None, 10 * MINUTE, MINUTE)]
    values = {"money": 1.0, "whole": None, "word": None, "flag": None}
    drawn = [("a", reference.Event(minute * MINUTE, minute, values)) for minute in (0, 1, 3)]
    events, users = lab.block(drawn)
    log = lab.logs(feature_log(features, events, 0, 12 * MINUTE), users)["a"]
    assert log == [
        (1, (1,)),
        (MINUTE + 1, (2,)),
        (3 * MINUTE, (0,)),
        (3 * MINUTE + 1, (1,)),
        (5 * MINUTE, (0,)),
    ]


def test_neighbours_exactly_the_gap_apart_do_not_share_a_session(lab: Any) -> None:
    features = [lab.feature("session_count(2min)", None, 10 * MINUTE, MINUTE)]
    known = [reference.Event(0, 1, {}), reference.Event(2 * MINUTE, 2, {})]
    assert reference.value_at(features[0], known, 2 * MINUTE + 1) == 1
    closer = [known[0], reference.Event(2 * MINUTE - 1, 2, {})]
    assert reference.value_at(features[0], closer, 2 * MINUTE + 1) == 2


def test_no_events_give_no_rows(lab: Any) -> None:
    features = features_of(lab, 0, False, TABLE + SESSIONS)
    rows: Rows = feature_log(features, lab.block([])[0], 0, 10**12)
    assert len(rows.t) == 0


def test_rows_are_sorted_by_entity_and_time_and_each_instant_is_there_once(lab: Any) -> None:
    values = {"money": 1.0, "whole": 1, "word": "a", "flag": True}
    drawn = [(user, reference.Event(n * 17_000_000 % (9 * MINUTE), n, values)) for n in range(40) for user in "ab"]
    rows = feature_log(features_of(lab, 0, False, TABLE), lab.block(drawn)[0], 0, 10**12)
    pairs = list(zip(rows.entity.tolist(), rows.t.tolist(), strict=True))
    assert pairs == sorted(set(pairs))
    assert np.unique(rows.entity).tolist() == [0, 1]
