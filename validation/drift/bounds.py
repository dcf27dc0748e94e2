"""How far apart a day and the reference may be without any drift: what so many rows give by chance, and how much days differ.

Two things make a day differ: it is a sample of n rows, which is known, and days are not alike (a weekday, a sale), which the
reference's own days tell. Each of them is held against the others, and what that exceeds chance by is the days' own part, B. So

    bound(n) = q(a) (1/n + 1/N) + B t(a)^2

for a measure that grows with the square of a shift (PSI; KS and missing share squared). q(a) is what chance exceeds with a
probability of a, t(a) Student's quantile for as many days as there are, and B stands one standard error above its estimate: few
days know little. a is one day's probability of any false alarm, divided by the number of tests (Bonferroni).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import log, sqrt
from typing import Final

import numpy as np
from scipy import stats

from validation.drift.measures import Counts, kolmogorov_smirnov, missing_share, psi

FEWEST_DAYS: Final = 4
"""With fewer days in the reference nobody knows how much days differ, and nothing is an alert."""

KS_CHANCE: Final = 0.25
"""What chance adds at most to n KS^2 where a shift decides at which value the largest difference is."""

PSI, KS, MISSING = "psi", "ks", "missing"
LEAST: Final = {PSI: 0.01, KS: 0.02, MISSING: 0.01}
"""Smaller differences matter to nobody, however sure they are."""

TESTS: Final = len(LEAST)
"""How many tests are made of a column."""


@dataclass(frozen=True, slots=True)
class Bounded:
    """A measure and what it may be without drift."""

    value: float
    bound: float

    @property
    def is_alert(self) -> bool:
        """Say whether it is more."""
        return self.value > self.bound


def bounded_measures(days: Counts, trained: int, served: Counts, alpha: float) -> dict[str, Bounded]:
    """Return each measure of a served day with its bound; nothing is bounded by fewer than `FEWEST_DAYS` days.

    Args:
        days: The reference's counts by day, shape (days, bins + 1).
        trained: How many of the days, from the first on, the distribution is that of.
        served: The served day's counts, shape (bins + 1,); at least one row.
        alpha: How often, at most, each of these tests may alarm without drift.
    """
    whole = days[:trained].sum(axis=0)
    filled = int((whole > 0).sum())
    share = (whole[-1] + 1) / (whole.sum() + 2)
    spread = share * (1 - share)
    degrees = max(filled - 1, 1)
    tests: dict[str, tuple[Callable[[Counts, Counts], float], float, float]] = {
        PSI: (psi, degrees, float(stats.chi2.isf(alpha, degrees))),
        KS: (lambda p, q: kolmogorov_smirnov(p, q) ** 2, KS_CHANCE, log(2 / alpha) / 2),
        MISSING: (
            lambda p, q: (missing_share(p) - missing_share(q)) ** 2,
            spread,
            spread * float(stats.norm.isf(alpha / 2)) ** 2,
        ),
    }
    found = {}
    for name, (measure, mean, quantile) in tests.items():
        value, bound = measure(whole, served), _bound(days, trained, served, measure, mean, quantile, alpha)
        if name != PSI:
            value, bound = sqrt(value), sqrt(bound)
        found[name] = Bounded(value, max(bound, LEAST[name]))
    return found


def _bound(
    days: Counts,
    trained: int,
    served: Counts,
    measure: Callable[[Counts, Counts], float],
    mean: float,
    quantile: float,
    alpha: float,
) -> float:
    whole = days[:trained].sum(axis=0)
    sizes = days.sum(axis=1)
    excess = []
    for at in np.flatnonzero(sizes):
        rest = whole - days[at] if at < trained else whole
        if rest.sum():
            excess.append(measure(rest, days[at]) - mean * (1 / sizes[at] + 1 / rest.sum()))
    if len(excess) < FEWEST_DAYS:
        return float("inf")
    own = max(0.0, float(np.mean(excess) + np.std(excess, ddof=1) / sqrt(len(excess))))
    student = float(stats.t.isf(alpha / 2, len(excess) - 1))
    return quantile * (1 / served.sum() + 1 / whole.sum()) + own * student**2
