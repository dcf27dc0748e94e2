"""The simulated world: who buys, where, and how much; it holds what never changes from day to day.

The idea (customers with a home, terminals within a radius, three kinds of fraud) is that of the Fraud Detection
Handbook (Le Borgne et al., 2022). The code and the numbers here are our own.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import IntEnum
from functools import lru_cache

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

SIDE = 100.0
"""Length of the square map's side, in the same unit as ``World.radius``."""

_CUSTOMERS_AT_ONCE = 512  # bounds the distance matrix to 512 rows, whatever the world's size


class Draw(IntEnum):
    """Names an independent random stream of a world, so that one kind of draw never shifts another."""

    POPULATION = 0
    TRANSACTIONS = 1
    COMPROMISES = 2
    LEAKS = 3


@dataclass(frozen=True, slots=True)
class World:
    """Declares a world of card transactions; two equal worlds give equal transactions.

    ``seed`` and the day's index decide everything about a day. ``days`` only says how many days `generate` writes:
    the world goes on for ever.

    The default world has about 57,000 transactions, 1 % of them frauds. The handbook's own is
    ``World(5000, 10000, 183, radius=5, daily_transactions=2, compromised_share=2e-4, leaked_share=6e-4)``.

    Attributes:
        customers: How many, 1 to 1,000,000; ids are 0 to customers - 1.
        terminals: How many, 1 to 1,000,000; ids are 0 to terminals - 1.
        days: Whole UTC days that `generate` writes, at least 1.
        start: The UTC day with index 0.
        seed: Any integer from 0 on.
        radius: Customers use terminals nearer than this to their home; the map is 100 by 100.
        daily_transactions: Mean over the customers of their transactions per day, more than 0.
        amount_threshold: A transaction over this amount is fraud (scenario 1).
        compromised_share: Share of the terminals that are compromised anew each day (scenario 2), 0 to 1.
        compromised_days: For how many days a terminal stays compromised, at least 1.
        leaked_share: Share of the customers whose card leaks anew each day (scenario 3), 0 to 1.
        leaked_days: For how many days a leaked card is abused, at least 1.

    Raises:
        ValueError: A value is outside its bounds.

    >>> World(customers=10, terminals=20, days=2).end
    datetime.datetime(2025, 1, 3, 0, 0, tzinfo=datetime.timezone.utc)
    """

    customers: int = 300
    terminals: int = 600
    days: int = 60
    start: date = date(2025, 1, 1)
    seed: int = 7
    radius: float = 10.0
    daily_transactions: float = 3.2
    amount_threshold: float = 220.0
    compromised_share: float = 2.5e-4
    compromised_days: int = 28
    leaked_share: float = 7e-4
    leaked_days: int = 14

    def __post_init__(self) -> None:
        """Refuse what cannot be generated."""
        bounds: dict[str, tuple[float, float]] = {
            "customers": (1, 1_000_000),
            "terminals": (1, 1_000_000),
            "days": (1, 36_525),
            "seed": (0, float("inf")),
            "radius": (0, float("inf")),
            "daily_transactions": (0.001, 1000),
            "compromised_share": (0, 1),
            "compromised_days": (1, 3650),
            "leaked_share": (0, 1),
            "leaked_days": (1, 3650),
        }
        for name, (low, high) in bounds.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise ValueError(f"World.{name}: {value} is out of bounds; use a value from {low:g} to {high:g}.")

    @property
    def end(self) -> datetime:
        """The first instant after the last of the ``days``, UTC."""
        return self.midnight(self.days)

    def midnight(self, day: int) -> datetime:
        """Return the first instant of the day with this index, UTC."""
        return datetime(self.start.year, self.start.month, self.start.day, tzinfo=UTC) + timedelta(days=day)

    def day_of(self, instant: datetime) -> int:
        """Return the index of the UTC day that holds an aware ``instant``; days before ``start`` are negative."""
        return (instant - self.midnight(0)) // timedelta(days=1)

    def random(self, draw: Draw, day: int = 0) -> np.random.Generator:
        """Return the generator of one kind of draw on one day; days before ``start`` have theirs, too."""
        # Seeds must not be negative, and a fraud that began before the start has a negative day.
        return np.random.default_rng([self.seed, int(draw), day + 2**20])


@dataclass(frozen=True, slots=True)
class Population:
    """Holds a world's customers and the terminals each of them uses; arrays have one entry per customer.

    Attributes:
        mean_amount: Mean amount of a customer's honest transactions.
        amount_spread: Their standard deviation.
        daily_transactions: Mean transactions per day.
        nearby: Terminal ids, customer after customer.
        nearby_start: Where a customer's terminals begin in ``nearby``; one entry more than customers.
    """

    mean_amount: Floats
    amount_spread: Floats
    daily_transactions: Floats
    nearby: Ints
    nearby_start: Ints


@lru_cache(maxsize=4)
def settle(world: World) -> Population:
    """Draw the population of a world; a customer with no terminal within the radius uses the nearest one."""
    random = world.random(Draw.POPULATION)
    homes = random.uniform(0, SIDE, (world.customers, 2))
    places = random.uniform(0, SIDE, (world.terminals, 2))
    mean_amount = random.uniform(5, 100, world.customers)
    # From a quarter of the mean to seven quarters: everybody buys something now and then.
    daily = world.daily_transactions * random.uniform(0.25, 1.75, world.customers)
    terminals, counts = [], []
    for first in range(0, world.customers, _CUSTOMERS_AT_ONCE):
        some = homes[first : first + _CUSTOMERS_AT_ONCE, None, :]
        distance = np.hypot(some[..., 0] - places[:, 0], some[..., 1] - places[:, 1])
        near = distance < world.radius
        near[np.arange(len(near)), distance.argmin(axis=1)] = True
        terminals.append(np.nonzero(near)[1].astype(np.int64))
        counts.append(near.sum(axis=1, dtype=np.int64))
    return Population(
        mean_amount=mean_amount,
        amount_spread=mean_amount / 2,
        daily_transactions=daily,
        nearby=np.concatenate(terminals),
        nearby_start=np.concatenate([[0], np.cumsum(np.concatenate(counts))]),
    )
