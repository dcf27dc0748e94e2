"""A stream that is killed reads its partitions in another order afterwards, and rows that it stored before may know less."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import settings

from pipelines.plan import ViewPlan
from pipelines.semantics import reference
from pipelines.semantics.panes.live import EVER
from pipelines.semantics.reference import Event
from pipelines.stream.rescale import Generation, Saved
from pipelines.stream.view_logic import Share, ViewLogic
from pipelines.stream.view_state import ViewState

MINUTE = 60_000_000
LATENESS = 20 * MINUTE
BLANK = {"money": None, "whole": None, "word": None, "flag": None}


@dataclass
class Stored:
    """What an online store holds: of each entity the newest row, unless it gives way to what is known better."""

    rows: dict[str, tuple[int, tuple[Any, ...]]] = field(default_factory=dict)
    furthest: int = EVER
    complete: int = 0

    def write(self, lab: Any, plan: ViewPlan, table: pa.Table | None, replaces: int | None) -> None:
        for user, log in ({} if table is None else lab.table_logs(table, plan.features)).items():
            t, values = log[-1]
            old = self.rows.get(user, (EVER, ()))[0]
            if t >= old or (replaces is not None and old <= replaces):
                self.rows[user] = t, values


def event(number: int, ts: int) -> tuple[str, Event]:
    return "a", Event(ts, number, BLANK | {"money": 1.0})


def follow(lab: Any, logic: ViewLogic, stored: Stored, partition: int, events: Sequence[Any]) -> None:
    """Give a partition's events, in order, to a stream, and store what it gives."""
    tick(lab, logic, stored, partition, max(one.ts for _, one in events) + 1, events)


def tick(lab: Any, logic: ViewLogic, stored: Stored, partition: int, now: int, events: Sequence[Any] = ()) -> None:
    """Let a partition's time move, and store what this gives."""
    told, _ = logic.on_batch([Share(0, partition, lab.table(list(events)), now, now - LATENESS)])
    for one in told:
        if one.rows is not None:
            stored.furthest = max(stored.furthest, one.furthest)
        stored.write(lab, logic._plan, one.rows, one.replaces)
        stored.complete = one.frontier


def logic_of(plan: ViewPlan, partitions: int, saved: Saved | None, stored: Stored) -> ViewLogic:
    kept = None if saved is None else pickle.loads(pickle.dumps(saved))
    return ViewLogic(plan, None, Generation(shards=1), partitions, None, None, kept, stored=stored.furthest)


#  two partitions, each with one event of the same user; the stream is killed, and reads the other one first
#
#      partition 0:                 x 5:00         read first, stored with the time 5:00:  1
#      partition 1:       x 2:00                   after the restart: the time is 2:00, the value is 1, then 2 at 5:00
#
def test_row_that_was_refused_is_given_again_once_the_time_of_the_stored_one_is_over(lab: Any) -> None:
    plan = lab.plan([lab.feature("count", None, 10 * MINUTE, MINUTE)])
    stored = Stored()
    first = logic_of(plan, 2, None, stored)
    follow(lab, first, stored, 0, [event(1, 5 * MINUTE)])
    again = logic_of(plan, 2, None, stored)
    follow(lab, again, stored, 1, [event(2, 2 * MINUTE)])
    assert stored.rows["a"] == (5 * MINUTE + 1, (1,)), "the row of 2:00 is older"
    assert stored.complete == 0
    follow(lab, again, stored, 0, [event(1, 5 * MINUTE)])
    assert stored.rows["a"] == (5 * MINUTE + 1, (2,))
    assert stored.complete == 2 * MINUTE + 1


def test_value_that_did_not_change_after_all_is_given_again_too(lab: Any) -> None:
    plan = lab.plan([lab.feature("count", None, 10 * MINUTE, MINUTE)])
    stored = Stored({"a": (5 * MINUTE, (1,))}, furthest=5 * MINUTE)
    again = logic_of(plan, 1, None, stored)
    follow(lab, again, stored, 0, [event(1, MINUTE), event(2, 2 * MINUTE)])
    follow(lab, again, stored, 0, [("b", Event(5 * MINUTE, 3, BLANK))])
    assert stored.rows["a"] == (2 * MINUTE + 1, (2,))


def test_what_is_doubtful_outlives_another_kill(lab: Any) -> None:
    plan = lab.plan([lab.feature("count", None, 10 * MINUTE, MINUTE)])
    state = ViewState(plan, stored=9 * MINUTE)
    state.advance(lab.table([event(1, MINUTE)]), 2 * MINUTE)
    second = ViewState(plan, state.snapshot(), stored=8 * MINUTE)
    assert second.take_doubtful() is None
    second.advance(lab.table([]), 9 * MINUTE)
    taken = second.take_doubtful()
    assert taken is not None
    rows, until = taken
    assert rows is not None
    assert (len(rows), until) == (1, 9 * MINUTE)
    assert second.take_doubtful() is None
    assert second.snapshot().doubtful is None


def test_entities_that_nothing_was_given_of_since_the_start_are_left_as_they_are(lab: Any) -> None:
    plan = lab.plan([lab.feature("count", None, 10 * MINUTE, MINUTE)])
    state = ViewState(plan)
    state.advance(lab.table([event(1, MINUTE)]), 2 * MINUTE)
    again = ViewState(plan, state.snapshot(), stored=4 * MINUTE)
    again.advance(lab.table([("b", Event(3 * MINUTE, 2, BLANK))]), 5 * MINUTE)
    taken = again.take_doubtful()
    assert taken is not None
    rows, _ = taken
    assert rows is not None
    assert rows["user"].to_pylist() == ["b"]


@pytest.mark.parametrize("seed", range(4 * settings.default.max_examples))
def test_after_any_kills_every_stored_value_is_the_references(lab: Any, seed: int) -> None:
    random = np.random.default_rng(seed)
    partitions = int(random.integers(2, 4))
    plan = lab.plan(
        [
            lab.feature("sum", "money", 60 * MINUTE, MINUTE),
            lab.feature("count", None, (10 + 50 * (seed % 2)) * MINUTE, MINUTE),
        ]
    )
    read = [make_events(random, partition) for partition in range(partitions)]
    stored, saved = Stored(), None
    kept = [0] * partitions
    for _ in range(random.integers(1, 4)):  # each ends with a kill
        logic, at = logic_of(plan, partitions, saved, stored), list(kept)
        for _ in range(random.integers(1, 6)):
            read_some(lab, logic, stored, read, at, random)
            if logic._view is not None and random.random() < 0.3:
                saved, kept = logic.snapshot(), list(at)
    logic, at = logic_of(plan, partitions, saved, stored), list(kept)
    while at != [len(one) for one in read]:
        read_some(lab, logic, stored, read, at, random)
    for partition in range(partitions):
        tick(lab, logic, stored, partition, LATENESS + MINUTE)
    everyone = [one for events in read for one in events]
    for user in {user for user, _ in everyone}:
        mine = [one for name, one in everyone if name == user]
        wanted = tuple(reference.value_at(one, reference.distinct(mine), LATENESS + MINUTE) for one in plan.features)
        assert stored.rows[user][1] == wanted
    assert stored.complete == LATENESS + MINUTE


def make_events(random: np.random.Generator, partition: int) -> list[tuple[str, Event]]:
    times = np.sort(random.integers(0, LATENESS // MINUTE, random.integers(2, 9))) * MINUTE
    return [
        (str(random.choice(list("abcdef"))), Event(int(t), 10 * partition + n, BLANK | {"money": 1.0}))
        for n, t in enumerate(times)
    ]


def read_some(
    lab: Any,
    logic: ViewLogic,
    stored: Stored,
    read: Sequence[Sequence[Any]],
    at: list[int],
    random: np.random.Generator,
) -> None:
    """Read the next events of some partition that has any left."""
    left = [number for number, events in enumerate(read) if at[number] < len(events)]
    if left:
        partition = int(random.choice(left))
        first = at[partition]
        at[partition] = int(random.integers(first + 1, len(read[partition]) + 1))
        follow(lab, logic, stored, partition, read[partition][first : at[partition]])
