"""Transactions of a simulated world, drawn day by day with numpy.

A day depends on the world and on its index alone. Live traffic therefore goes on after the generated days with the
same customers, terminals and running frauds, and any day can be made again on its own.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from simulator.fraud import compromised_terminals, leaked_customers
from simulator.world import Draw, Floats, Ints, World, settle

__all__ = ["SCHEMA", "World", "generate", "generate_day", "next_days"]

SCHEMA = pa.schema(
    [
        ("transaction_id", pa.int64()),
        ("event_timestamp", pa.timestamp("us", tz="UTC")),
        ("customer_id", pa.int64()),
        ("terminal_id", pa.int64()),
        ("amount", pa.float64()),
        ("is_fraud", pa.int8()),
        ("fraud_scenario", pa.int8()),
    ]
)
"""What `generate` returns. ``fraud_scenario`` says why (0 to 3); it is never an input of a model."""

IDS_PER_DAY = 10_000_000_000
"""The transaction ids of day k are k times this and up, in time order; so no day needs to know another's count."""

_DAY_SECONDS = 86_400
_NOON, _BELL = 43_200, 20_000  # seconds: most people buy by day
_ABUSED, _INFLATION = 1 / 3, 5.0  # of a leaked card's transactions, and by how much their amounts grow


def generate(world: World) -> pa.Table:
    """Generate the ``world.days`` days of a world.

    Returns:
        A table of `SCHEMA`, sorted by (event_timestamp, transaction_id); no nulls; amounts in whole cents.
    """
    return pa.concat_tables([generate_day(world, day) for day in range(world.days)]).combine_chunks()


def next_days(world: World, day: int) -> Iterator[pa.Table]:
    """Yield day after day without end, from the day with this index on; ``world.days`` is the first not generated."""
    while True:
        yield generate_day(world, day)
        day += 1


def generate_day(world: World, day: int) -> pa.Table:
    """Generate one UTC day.

    Args:
        world: The world.
        day: Its index from ``world.start``, 0 or more.

    Returns:
        A table of `SCHEMA`, sorted by (event_timestamp, transaction_id).

    Raises:
        ValueError: The day lies before the world's start.
    """
    if day < 0:
        raise ValueError(f"generate_day: day {day} lies before the world's start {world.start}; use 0 or more.")
    people = settle(world)
    random = world.random(Draw.TRANSACTIONS, day)

    customer = np.repeat(np.arange(world.customers, dtype=np.int64), random.poisson(people.daily_transactions))
    # Wrapped at midnight, not cut off: each transaction drawn stays in the day.
    seconds = random.normal(_NOON, _BELL, customer.size) % _DAY_SECONDS
    offset = np.minimum((seconds * 1e6).astype(np.int64), _DAY_SECONDS * 1_000_000 - 1)
    order = np.argsort(offset, kind="stable")
    customer, offset = customer[order], offset[order]

    choices = np.diff(people.nearby_start)[customer]
    terminal = people.nearby[people.nearby_start[customer] + random.integers(0, choices)]
    amount = _draw_amounts(random, people.mean_amount[customer], people.amount_spread[customer])
    abused = random.random(customer.size) < _ABUSED

    scenario = np.zeros(customer.size, np.int8)
    scenario[amount > world.amount_threshold] = 1
    scenario[np.isin(terminal, compromised_terminals(world, day))] = 2
    stolen = abused & np.isin(customer, leaked_customers(world, day))
    scenario[stolen] = 3
    amount = np.where(stolen, np.round(amount * _INFLATION, 2), amount)

    midnight = int(world.midnight(day).timestamp()) * 1_000_000
    return _table(
        transaction_id=day * IDS_PER_DAY + np.arange(customer.size, dtype=np.int64),
        event_timestamp=midnight + offset,
        customer_id=customer,
        terminal_id=terminal,
        amount=amount,
        is_fraud=(scenario > 0).astype(np.int8),
        fraud_scenario=scenario,
    )


def _draw_amounts(random: np.random.Generator, mean: Floats, spread: Floats) -> Floats:
    """Draw amounts in whole cents; where the bell goes below zero, an even draw from 0 to twice the mean."""
    bell = random.normal(mean, spread)
    even = random.uniform(0, 2 * mean)
    return np.where(bell < 0, even, bell).round(2)


def _table(**columns: Ints | Floats | np.ndarray[tuple[int], np.dtype[np.int8]]) -> pa.Table:
    """Build a table of `SCHEMA`; timestamps come as microseconds since the epoch."""
    return pa.table([pa.array(columns[field.name]).cast(field.type) for field in SCHEMA], schema=SCHEMA)
