"""The time of a partition (rule 7): who is late, who is of the future, and that one bad clock moves nobody else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipelines.stream.partition_time import IDLE, NEAR, WAITING, PartitionTime, Verdict

SECOND, MINUTE, HOUR = 1_000_000, 60_000_000, 3_600_000_000
LATENESS, SKEW = 10 * MINUTE, 5 * MINUTE
START = 1_000_000 * HOUR
FAR = START + 1_000_000 * HOUR
TAKEN, LATE, FUTURE, WAITS = Verdict


def partition(newest: int | None = None, known_after: int = 0) -> PartitionTime:
    now = None if newest is None else newest + known_after + 1
    return PartitionTime(LATENESS, known_after, SKEW, newest, now)


def live(time: PartitionTime, *events: tuple[int, int]) -> list[int]:
    ts, arrived = zip(*events, strict=True)
    return time.judge_live(np.array(ts), np.array(arrived)).tolist()


def replay(
    time: PartitionTime, *ts: int, waiting: int = 0, ticks: Any = (), wall: int = START + 1_000 * HOUR
) -> list[int]:
    return time.judge_replay(np.array(ts, np.int64), np.full(len(ts), wall), waiting, ticks).tolist()


#  live, skew 5 min:
#
#      arrives at       0      1 min     2 min    2 min + 1 us
#      is dated         0      6 min     7 min    7 min + 2 us
#      ahead by         0      5 min     5 min    5 min + 1 us
#                                                 future
#
def test_live_an_event_is_of_the_future_when_it_is_ahead_of_its_arrival_by_more_than_the_skew() -> None:
    given_ = [(0, 0), (6 * MINUTE, MINUTE), (7 * MINUTE, 2 * MINUTE), (7 * MINUTE + 2, 2 * MINUTE + 1)]
    assert live(partition(), *given_) == [TAKEN, TAKEN, TAKEN, FUTURE]


def test_live_no_event_moves_time_beyond_its_arrival() -> None:
    time = partition()
    live(time, (START + 4 * MINUTE, START))
    assert (time.newest, time.now) == (START + NEAR, START + NEAR + 1)


def test_live_an_event_that_is_known_later_moves_time_no_further_either() -> None:
    time = partition(known_after=HOUR)
    live(time, (START, START + HOUR))
    assert (time.newest, time.now) == (START, START + HOUR + 1)
    live(time, (START + 30 * MINUTE, START + HOUR))  # it became known sooner than was declared
    assert (time.newest, time.now) == (START + NEAR, START + HOUR + NEAR + 1)


def test_live_a_backlog_is_held_against_the_time_each_event_arrived() -> None:
    assert live(partition(), (START, START), (START + HOUR, START), (START + 1, START + 2 * HOUR)) == [
        TAKEN,
        FUTURE,
        TAKEN,
    ]


@given(
    st.lists(
        st.tuples(st.integers(0, 60), st.integers(0, 9), st.one_of(st.none(), st.integers(-100, 10_000))), min_size=1
    ),
    st.lists(st.integers(1, 4)),
)
def test_live_nobody_on_time_is_late_whatever_others_claim(
    events: list[tuple[int, int, int | None]], sizes: list[int]
) -> None:
    """Events arrive in order; honest ones are at most 9 minutes old, others claim any time."""
    minutes = sorted(minute for minute, _, _ in events)
    sent = [
        (START + (minute - age if claim is None else claim) * MINUTE, START + minute * MINUTE, claim is None)
        for minute, (_, age, claim) in zip(minutes, events, strict=True)
    ]
    time, verdicts = partition(), []
    while sent:
        part, sent = sent[: sizes[0] if sizes else None], sent[sizes[0] if sizes else len(sent) :]
        sizes = sizes[1:]
        verdicts += zip(live(time, *((t, arrived) for t, arrived, _ in part)), part, strict=True)
    assert all(verdict == TAKEN for verdict, (_, _, honest) in verdicts if honest)
    assert all(verdict == FUTURE for verdict, (t, arrived, _) in verdicts if t > arrived + SKEW)


#  replay, skew 5 min, lateness 10 min; one event is dated far ahead:
#
#      comes     0     far    1 min    2 min
#                      waits  far is contradicted
#
def test_in_a_replay_an_event_far_ahead_is_contradicted_by_the_next_that_it_would_make_late() -> None:
    time = partition()
    assert replay(time, START, FAR, START + MINUTE, START + 2 * MINUTE) == [TAKEN, FUTURE, TAKEN, TAKEN]
    assert time.newest == START + 2 * MINUTE


def test_in_a_replay_a_gap_is_borne_out_when_the_partition_comes_near() -> None:
    time = partition()
    steps = [START, START + 8 * MINUTE, START + 4 * MINUTE, START + 9 * MINUTE]
    assert replay(time, *steps[:2]) == [TAKEN, WAITS]
    assert replay(time, *steps[1:], waiting=1) == [TAKEN, TAKEN, TAKEN]
    assert time.newest == START + 9 * MINUTE


def test_in_a_replay_a_late_event_contradicts_nobody() -> None:
    time = partition(START)
    assert replay(time, START + HOUR, START - LATENESS - 1) == [WAITS, LATE]


@pytest.mark.parametrize(
    ("tick", "verdict"), [(START + HOUR - SKEW, TAKEN), (START + HOUR - SKEW - 1, FUTURE)], ids=["near", "not near"]
)
def test_a_tick_judges_what_waits(tick: int, verdict: int) -> None:
    assert replay(partition(START), START + HOUR, ticks=[(1, tick)]) == [verdict]


def test_a_tick_judges_only_what_came_before_it() -> None:
    time = partition(START)
    assert replay(time, START + HOUR, FAR, ticks=[(1, START + HOUR)]) == [TAKEN, WAITS]
    assert (time.newest, time.now) == (START + HOUR, START + HOUR + 1)


def test_after_a_tick_events_may_go_on_from_there() -> None:
    assert replay(partition(START), START + 3 * HOUR, ticks=[(0, START + 3 * HOUR)]) == [TAKEN]


def test_a_tick_makes_nobody_late() -> None:
    assert replay(partition(START), START - LATENESS, ticks=[(0, START + HOUR)]) == [TAKEN]


@pytest.mark.parametrize("together", [True, False], ids=["in one read", "in two"])
def test_a_partition_without_events_follows_its_ticks_an_hour_behind(together: bool) -> None:
    edge = START + 3 * HOUR - 1 - IDLE - LATENESS
    time, tick = partition(START), [(0, START + 3 * HOUR)]
    if not together:
        replay(time, ticks=tick)
    assert replay(time, edge, edge - 1, ticks=tick if together else ()) == [TAKEN, LATE]


def test_what_waited_for_a_tick_is_not_late_by_it() -> None:
    assert replay(partition(START), START + HOUR, ticks=[(1, START + 9 * HOUR)]) == [TAKEN]


def test_the_first_event_of_a_replay_is_held_against_the_wall_clock() -> None:
    assert replay(partition(), START + SKEW, wall=START) == [TAKEN]
    assert replay(partition(), START + SKEW + 1, wall=START) == [WAITS]


def test_when_many_wait_the_earliest_is_taken() -> None:
    time = partition(START)
    hours = [START + hour * HOUR for hour in range(1, WAITING + 2)]
    assert replay(time, *hours[:-1]) == [WAITS] * WAITING
    assert replay(time, *hours, waiting=WAITING) == [TAKEN] + [WAITS] * WAITING
    assert time.newest == START + HOUR


def test_so_many_bad_events_in_a_row_move_nothing() -> None:
    time = partition(START)
    assert replay(time, *[FAR] * WAITING, START + MINUTE) == [FUTURE] * WAITING + [TAKEN]


@pytest.mark.parametrize(
    ("ended", "rest"), [(False, WAITS), (True, FUTURE)], ids=["nothing to read for a while", "at the end"]
)
def test_with_nothing_after_it_what_waits_is_held_against_the_wall_clock(ended: bool, rest: int) -> None:
    time, wall = partition(START), START + 2 * HOUR
    ts = np.array([FAR, START + HOUR, START + 2 * HOUR])
    assert time.judge_rest(ts, np.full(3, wall), ended=ended).tolist() == [FUTURE, TAKEN, TAKEN]
    late_by_clock = time.judge_rest(np.array([FAR]), np.array([wall]), ended=ended).tolist()
    assert late_by_clock == [rest]


EVENTS = st.lists(
    st.one_of(
        st.integers(0, 30).map(lambda minute: START + minute * MINUTE),
        st.integers(-30, 60).map(lambda minute: START + minute * MINUTE),
        st.just(FAR),
        st.integers(0, 200).map(lambda hour: START + hour * HOUR),
    ),
    max_size=30,
)


@example([START + SKEW, FAR], [1], [(0, 0)])  # the first time that is known is a tick's
@given(EVENTS, st.lists(st.integers(1, 5)), st.lists(st.tuples(st.integers(0, 30), st.integers(0, 90)), max_size=3))
def test_in_a_replay_nothing_depends_on_how_reads_were_cut(
    ts: list[int], sizes: list[int], raw_ticks: list[tuple[int, int]]
) -> None:
    ticks = sorted((min(place, len(ts)), START + minute * MINUTE) for place, minute in raw_ticks)
    whole, parts = partition(), partition()
    wanted = dict(enumerate(replay(whole, *ts, ticks=ticks)))
    found: dict[int, int] = {}
    waiting: list[int] = []
    start = 0
    while start < len(ts) or start == 0:
        stop = min(start + (sizes.pop(0) if sizes else len(ts)), len(ts))
        last = stop == len(ts)
        mine = [(place - start, t) for place, t in ticks if start <= place < stop or (last and place == stop)]
        rows = [*waiting, *range(start, stop)]
        verdicts = replay(parts, *(ts[row] for row in rows), waiting=len(waiting), ticks=mine)
        found |= dict(zip(rows, verdicts, strict=True))
        waiting = [row for row, verdict in zip(rows, verdicts, strict=True) if verdict == WAITS]
        start = stop
        if last:
            break
    assert (found, parts.newest, parts.now) == (wanted, whole.newest, whole.now)


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9)), min_size=1, max_size=40),
    st.sets(st.integers(0, 39)),
)
def test_in_a_replay_bad_clocks_make_nobody_late(steps: list[tuple[int, int]], bad: set[int]) -> None:
    """Honest events are at most 9 minutes out of order and 4 minutes apart; between them come events from far ahead."""
    time, clock, sent, honest = partition(), START, [START], [True]
    for number, (step, age) in enumerate(steps):
        clock += step * MINUTE
        sent += [clock - age * MINUTE] + [FAR + number] * (number in bad)
        honest += [True] + [False] * (number in bad)
    verdicts = replay(time, *sent, ticks=[(len(sent), clock)])
    assert [verdict for verdict, good in zip(verdicts, honest, strict=True) if good] == [TAKEN] * sum(honest)
    assert {verdict for verdict, good in zip(verdicts, honest, strict=True) if not good} <= {FUTURE}
    assert time.newest == max(t for t, good in zip(sent, honest, strict=True) if good)
