"""Fraud that lasts for days: which terminals are compromised, and which cards leaked, on a given day.

Both are derived from the seed and the day alone. Episodes that began before the world's first day count as well, so
the share of frauds is the same on the first day as on any other.
"""

from __future__ import annotations

import math

import numpy as np

from simulator.world import Draw, Ints, World


def compromised_terminals(world: World, day: int) -> Ints:
    """Return the sorted ids of the terminals that are compromised on a day; all their transactions are frauds."""
    return _victims(world, Draw.COMPROMISES, day, world.terminals, world.compromised_share, world.compromised_days)


def leaked_customers(world: World, day: int) -> Ints:
    """Return the sorted ids of the customers whose card is abused on a day."""
    return _victims(world, Draw.LEAKS, day, world.customers, world.leaked_share, world.leaked_days)


def _victims(world: World, draw: Draw, day: int, population: int, share: float, lasting: int) -> Ints:
    """Return who was struck on this day or on one of the ``lasting - 1`` days before it."""
    struck = [
        world.random(draw, began).choice(population, _newly_struck(population * share, began), replace=False)
        for began in range(day - lasting + 1, day + 1)
    ]
    return np.unique(np.concatenate(struck)).astype(np.int64)


def _newly_struck(per_day: float, day: int) -> int:
    """Spread a fractional daily rate evenly: 0.3 a day is 3 in any 10 days.

    >>> [_newly_struck(0.3, day) for day in range(10)]
    [0, 0, 0, 1, 0, 0, 1, 0, 0, 1]
    """
    return math.floor((day + 1) * per_day) - math.floor(day * per_day)
