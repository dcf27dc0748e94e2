"""Event blocks: their order, and each id once (rules 5 and 6)."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from pipelines.semantics.events import sort_events
from pipelines.semantics.reference import Event, distinct

few = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 6), st.integers(0, 6)), max_size=20)


@given(few, st.booleans())
def test_order_and_repeats_are_those_of_the_reference(drawn: list[tuple[int, int, int]], text: bool) -> None:
    entity, ts, ids = (np.array([row[i] for row in drawn], np.int64) for i in range(3))
    order = sort_events(entity, ts, np.array([f"e{number}" for number in ids], np.str_) if text else ids)
    for one in range(3):
        wanted = distinct([Event(at, number, {}) for owner, at, number in drawn if owner == one])
        got = [(int(ts[row]), int(ids[row])) for row in order if entity[row] == one]
        assert got == [(event.ts, event.id) for event in wanted]


def test_of_two_events_with_one_id_the_earliest_counts() -> None:
    assert [event.ts for event in distinct([Event(5, 1, {}), Event(3, 1, {})])] == [3]
