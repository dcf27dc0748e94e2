"""Event blocks: their order, and each id once (rules 5 and 6)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.semantics.events import Events, find_first, largest_block, sort_events
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


@given(few, st.lists(st.tuples(st.integers(0, 3), st.integers(-2, 9)), max_size=10))
def test_first_event_at_or_after_is_found(drawn: list[Any], asked: list[Any]) -> None:
    drawn = sorted((entity, ts) for entity, ts, _ in drawn)
    known = 1 + max((entity for entity, _ in drawn), default=0)
    asked = [(entity % known, t) for entity, t in asked]
    events = Events(*(np.array([row[i] for row in drawn], np.int64) for i in range(2)), {})
    got = find_first(events, *(np.array([row[i] for row in asked], np.int64) for i in range(2)))
    assert got.tolist() == [sum(row < want for row in drawn) for want in asked]


def test_a_block_over_too_many_entities_and_too_long_is_refused() -> None:
    events = Events(np.array([0, 2**12]), np.array([0, 2**52]), {})
    with pytest.raises(OverflowError, match="split it by entity"):
        find_first(events, np.array([0]), np.array([0]))


def test_as_many_entities_share_a_block_as_can_be_searched() -> None:
    ts = np.array([0, 2**40])
    most = largest_block(ts)
    find_first(Events(np.array([0, most - 1]), ts, {}), np.array([0]), np.array([0]))
