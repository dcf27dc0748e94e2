"""What a world is: printable, hashable, bounded, and the same customers every day."""

from __future__ import annotations

from datetime import UTC, date, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.fraud import compromised_terminals, leaked_customers
from simulator.world import World, settle


def test_world_prints_as_it_is_written() -> None:
    world = World(customers=5, seed=3)
    assert repr(world).startswith("World(customers=5, terminals=600, days=60, start=datetime.date(2025, 1, 1), seed=3")


@pytest.mark.parametrize(
    ("field", "value"),
    [("customers", 0), ("terminals", -1), ("days", 0), ("seed", -1), ("leaked_share", 1.5), ("radius", float("nan"))],
)
def test_value_out_of_bounds_is_refused_by_name(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=rf"World\.{field}: {value} is out of bounds; use a value from"):
        World(**{field: value})  # type: ignore[arg-type]


def test_last_microsecond_of_a_day_belongs_to_it() -> None:
    world = World(start=date(2025, 3, 1))
    assert world.day_of(datetime(2025, 3, 2, 23, 59, 59, 999_999, tzinfo=UTC)) == 1
    assert world.day_of(datetime(2025, 3, 3, tzinfo=UTC)) == 2
    assert world.day_of(datetime(2025, 2, 28, 12, tzinfo=UTC)) == -1


def test_every_customer_has_a_terminal_even_when_none_is_near() -> None:
    people = settle(World(customers=1000, terminals=3, radius=0.0))
    assert (np.diff(people.nearby_start) == 1).all()
    assert people.nearby_start[-1] == people.nearby.size == 1000


def test_large_population_is_settled_in_parts_without_a_seam() -> None:
    people = settle(World(customers=1200, terminals=50, radius=30))
    assert people.nearby_start.shape == (1201,)
    assert people.nearby_start[-1] == people.nearby.size
    assert people.nearby.max() == 49


@given(day=st.integers(0, 500), seed=st.integers(0, 100))
def test_compromise_that_began_yesterday_lasts_unless_it_began_28_days_ago(day: int, seed: int) -> None:
    world = World(terminals=10_000, seed=seed, compromised_share=2e-4)
    today, tomorrow = set(compromised_terminals(world, day)), set(compromised_terminals(world, day + 1))
    assert len(today - tomorrow) <= 2
    assert len(tomorrow - today) <= 2
    assert 50 <= len(today) <= 56


@given(day=st.integers(0, 500))
def test_three_cards_leak_every_day_for_14_days(day: int) -> None:
    assert 35 <= len(leaked_customers(World(customers=5000, leaked_share=6e-4), day)) <= 42


def test_world_without_episodes_has_no_victims() -> None:
    world = World(compromised_share=0, leaked_share=0)
    assert compromised_terminals(world, 10).size == leaked_customers(world, 10).size == 0
