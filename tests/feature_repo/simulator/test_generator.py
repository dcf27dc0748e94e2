"""What the generator promises: schema, order, determinism, and the shape of honest and fraudulent traffic."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.fraud import compromised_terminals, leaked_customers
from simulator.generator import SCHEMA, World, generate, generate_day, next_days
from simulator.world import settle

TINY = World(customers=20, terminals=30, days=3, seed=5)


@pytest.fixture(scope="module")
def frame() -> pd.DataFrame:
    """The transactions of the world that is shipped."""
    return generate(World()).to_pandas()


def test_two_calls_give_equal_tables() -> None:
    assert generate(TINY).equals(generate(TINY))


def test_another_seed_gives_other_transactions() -> None:
    assert not generate(TINY).equals(generate(replace(TINY, seed=6)))


@settings(max_examples=25)
@given(
    customers=st.integers(1, 60),
    terminals=st.integers(1, 60),
    days=st.integers(1, 4),
    seed=st.integers(0, 2**63),
    daily=st.floats(0.01, 20),
)
def test_any_world_keeps_schema_order_and_bounds(
    customers: int, terminals: int, days: int, seed: int, daily: float
) -> None:
    world = World(customers, terminals, days, seed=seed, daily_transactions=daily)
    table = generate(world)
    assert table.schema == SCHEMA
    assert all(column.null_count == 0 for column in table.columns)
    rows = table.to_pandas()
    assert rows.transaction_id.is_monotonic_increasing
    assert rows.transaction_id.is_unique
    assert rows.event_timestamp.is_monotonic_increasing
    assert rows.event_timestamp.between(world.midnight(0), world.end, inclusive="left").all()
    assert rows.customer_id.between(0, customers - 1).all()
    assert rows.terminal_id.between(0, terminals - 1).all()
    assert (rows.amount >= 0).all()
    assert (rows.amount.round(2) == rows.amount).all()
    assert (rows.is_fraud == (rows.fraud_scenario > 0)).all()


def test_day_does_not_depend_on_how_many_are_generated() -> None:
    long = generate(replace(TINY, days=6))
    assert long.slice(0, generate(TINY).num_rows).equals(generate(TINY))


def test_live_days_go_on_where_the_generated_ones_end() -> None:
    live = pa.concat_tables(islice(next_days(TINY, TINY.days), 3)).combine_chunks()
    long = generate(replace(TINY, days=6))
    assert pa.concat_tables([generate(TINY), live]).combine_chunks().equals(long)


def test_day_before_the_start_is_refused() -> None:
    with pytest.raises(ValueError, match=r"day -1 lies before the world's start 2025-01-01; use 0 or more"):
        generate_day(TINY, -1)


def test_shipped_world_has_the_size_and_fraud_rate_it_promises(frame: pd.DataFrame) -> None:
    assert 50_000 < len(frame) < 65_000
    assert 0.007 < frame.is_fraud.mean() < 0.014
    assert set(frame.fraud_scenario) == {0, 1, 2, 3}


def test_timestamps_are_finer_than_a_second(frame: pd.DataFrame) -> None:
    assert frame.event_timestamp.dt.microsecond.nunique() > 50_000


def test_time_of_day_is_a_bell_around_noon(frame: pd.DataFrame) -> None:
    hours = frame.event_timestamp.dt.hour.value_counts(sort=False).sort_index().to_numpy()
    assert hours.size == 24
    assert abs(frame.event_timestamp.dt.hour.mean() - 11.5) < 0.1
    assert hours[11:13].min() > 4 * hours[[0, 1, 22, 23]].max()


def test_customers_only_use_their_terminals(frame: pd.DataFrame) -> None:
    people = settle(World())
    for customer in (0, 17, 299):
        theirs = people.nearby[people.nearby_start[customer] : people.nearby_start[customer + 1]]
        assert set(frame.terminal_id[frame.customer_id == customer]) <= set(theirs)


def test_mean_transactions_per_day_are_those_of_the_customer(frame: pd.DataFrame) -> None:
    seen = np.bincount(frame.customer_id, minlength=300) / 60
    expected = settle(World()).daily_transactions
    assert (np.abs(seen - expected) < 6 * np.sqrt(expected / 60)).all()


def test_honest_amounts_stay_under_the_threshold(frame: pd.DataFrame) -> None:
    assert frame.amount[frame.is_fraud == 0].max() <= 220
    assert frame.amount[frame.fraud_scenario == 1].min() > 220


def test_every_transaction_of_a_compromised_terminal_is_a_fraud(frame: pd.DataFrame) -> None:
    day = 30
    today = frame[frame.event_timestamp.dt.floor("D") == World().midnight(day)]
    struck = today.terminal_id.isin(compromised_terminals(World(), day))
    assert struck.any()
    assert (today.is_fraud[struck] == 1).all()
    assert not (today.fraud_scenario[~struck] == 2).any()


def test_leaked_card_is_abused_for_a_third_at_five_times_the_amount(frame: pd.DataFrame) -> None:
    day = frame.event_timestamp.sub(pd.Timestamp(World().midnight(0))).dt.days
    leaked = pd.Series(False, index=frame.index)
    for index in range(60):
        leaked |= (day == index) & frame.customer_id.isin(leaked_customers(World(), index))
    stolen = frame.fraud_scenario == 3
    assert not (stolen & ~leaked).any()
    assert 0.25 < stolen[leaked].mean() < 0.42
    usual = settle(World()).mean_amount[frame.customer_id]
    assert 4 < (frame.amount / usual)[stolen].mean() < 6
    assert 0.9 < (frame.amount / usual)[frame.is_fraud == 0].mean() < 1.15
