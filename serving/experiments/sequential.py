"""Intervals and tests that hold at every look, however often and whenever one looks, and whatever makes one stop.

An interval of fixed size that is looked at every day is wrong far more often than it says. A confidence sequence is right with
probability 1 - alpha at all times together. This is the one of the normal mixture: an estimate with standard error s that
rests on n decisions is within

    s * sqrt((n r + 1) / (n r) * log((n r + 1) / alpha^2)),  r chosen so that this is least at a stated n.

It comes from Robbins, "Statistical methods related to the law of the iterated logarithm" (1970); as a test it is the mixture
SPRT of Johari, Koomen, Pekelis and Walsh, "Always valid inference: continuous monitoring of A/B tests" (Operations Research,
2022). With an estimated s it holds asymptotically: Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, "Time-uniform central
limit theory and asymptotic confidence sequences" (Annals of Statistics, 2024).

Two things keep it honest where the textbook's conditions fail. Decisions of one unit resemble each other, so s is taken over units,
and n is how many independent decisions would give that s. And an s that rests on a few rare or large values is not believed:
nothing is said until `FEWEST` units carry the spread.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import log
from typing import Final

import numpy as np
import numpy.typing as npt

FEWEST: Final = 20
"""How many units must carry the spread before anything is said."""

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Moments:
    """What intervals need to know of a mean over decisions; arrays of one shape, so that many can be judged at once.

    Attributes:
        mean: The mean.
        variance: That of the mean, over units.
        spread: The variance of one decision's value.
        units: How many units the decisions are of.
        carrying: How many units carry the spread: (sum z^2)^2 / sum z^4 of their deviations z; of a rare event, how often it came.
    """

    mean: Floats
    variance: Floats
    spread: Floats
    units: Floats
    carrying: Floats

    @classmethod
    def of_sums(
        cls,
        decisions: npt.ArrayLike,
        total: npt.ArrayLike,
        squares: npt.ArrayLike,
        units: npt.ArrayLike,
        deviation2: npt.ArrayLike,
        deviation4: npt.ArrayLike,
    ) -> Moments:
        """Return the moments of a mean.

        Args:
            decisions: How many have a value.
            total: The sum of the values.
            squares: The sum of their squares.
            units: How many units they are of.
            deviation2: The sum over units of z^2, with z the unit's sum less the mean times its number of decisions.
            deviation4: The same of z^4.
        """
        n, m, d2, d4 = (np.asarray(one, dtype=np.float64) for one in (decisions, units, deviation2, deviation4))
        with np.errstate(divide="ignore", invalid="ignore"):
            mean = np.asarray(total, dtype=np.float64) / n
            spread = np.maximum(np.asarray(squares, dtype=np.float64) / n - mean**2, 0.0)
            variance = d2 / n**2 * m / np.maximum(m - 1, 1)
            carrying = np.where(d4 > 0, d2**2 / d4, 0.0)
        return cls(mean, variance, spread, m, carrying)


@dataclass(frozen=True, slots=True)
class Estimate:
    """An estimate, and how far the truth may be from it; arrays of one shape.

    Attributes:
        value: The estimate.
        reach: The truth is within it to both sides, at all times together with probability 1 - alpha; infinite where nothing can
            be said yet.
    """

    value: Floats
    reach: Floats

    @property
    def low(self) -> Floats:
        """Return the lower end."""
        return self.value - self.reach

    @property
    def high(self) -> Floats:
        """Return the upper end."""
        return self.value + self.reach


def estimate_mean(one: Moments, alpha: float, sharpest_at: int) -> Estimate:
    """Return the interval of one mean.

    Args:
        one: The mean.
        alpha: The probability that the truth is ever outside.
        sharpest_at: At how many decisions the interval is least for its standard error.
    """
    reach = _reach(one.variance, one.spread, alpha, sharpest_at)
    return Estimate(one.mean, np.where(one.carrying >= FEWEST, reach, np.inf))


def estimate_difference(one: Moments, other: Moments, alpha: float, sharpest_at: int) -> Estimate:
    """Return the interval of how much greater one arm's mean is than the other's; arguments as in `estimate_mean`.

    An arm in which nothing varies yet (it declines everybody, say) borrows from both together: as if `FEWEST` of its units were
    theirs; and its spread is believed once that many of its units would carry theirs.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        both = _pooled(one, other)
        arms = [_borrowing(arm, both) for arm in (one, other)]
        believed = np.minimum(
            *(np.maximum(arm.carrying, both.carrying * arm.units / both.units) for arm in (one, other))
        )
        variance, spread = (arms[0].variance + arms[1].variance, arms[0].spread + arms[1].spread)
        reach = _reach(variance, spread, alpha, sharpest_at)
    return Estimate(one.mean - other.mean, np.where(believed >= FEWEST, reach, np.inf))


def _pooled(one: Moments, other: Moments) -> Moments:
    """Return the moments of two arms taken together: what each would have, were there no difference."""
    units = one.units + other.units
    mean = (one.units * one.mean + other.units * other.mean) / units
    second = fourth = spread = np.zeros_like(mean)
    for arm in (one, other):
        apart, within = arm.mean - mean, arm.variance * arm.units  # of one unit
        tails = np.where(arm.carrying > 0, arm.units * within**2 / arm.carrying, 0.0)
        second = second + arm.units * (within + apart**2)
        fourth = fourth + arm.units * (tails + 6 * within * apart**2 + apart**4)
        spread = spread + arm.units * (arm.spread + apart**2)
    carrying = np.where(fourth > 0, second**2 / fourth, 0.0)
    return Moments(mean, second / units**2, spread / units, units, carrying)


def _borrowing(arm: Moments, both: Moments) -> Moments:
    """Return an arm as if `FEWEST` units more were of both."""
    share = FEWEST / (arm.units + FEWEST)
    variance = (1 - share) * arm.variance + share * both.variance * both.units / arm.units
    spread = (1 - share) * arm.spread + share * both.spread
    return Moments(arm.mean, variance, spread, arm.units, arm.carrying)


def _reach(variance: Floats, spread: Floats, alpha: float, sharpest_at: int) -> Floats:
    with np.errstate(divide="ignore", invalid="ignore"):
        information = spread / variance * _mixture(alpha, sharpest_at)
        reach: Floats = np.sqrt(variance * (1 + 1 / information) * np.log((information + 1) / alpha**2))
    return np.where(np.isfinite(reach), reach, np.inf)


@lru_cache
def _mixture(alpha: float, sharpest_at: int) -> float:
    """Return the r for which the reach is least at a size: where x = n r solves x = log((x + 1) / alpha^2)."""
    x = 0.0
    for _ in range(100):
        x = log((x + 1) / alpha**2)
    return x / sharpest_at
