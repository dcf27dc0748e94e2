"""How far apart a day and the reference may be without any drift: what so many rows give by chance, and how much days differ.

Two things make a day differ: it is a sample of n rows, which is known, and days are not alike (a weekday, a sale), which the
reference's own days tell. Each of them is held against the others, and what that exceeds chance by is the days' own part, B. So

    bound(n) = q(a) (1/n + 1/N) + B t(a)^2

for a measure that grows with the square of a shift (PSI; KS and missing share squared). q(a) is what chance exceeds with a
probability of a, t(a) Student's quantile for as many days as there are, and B stands above its estimate, the more the fewer days
there are. a is one day's probability of any false alarm, divided by the number of tests (Bonferroni).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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

ERRORS: Final = 20.0
"""By how many standard errors, times days, what days differ by is taken higher: chosen so that simulated days alarm as rarely as they
should with five days as with twenty-eight (`python -m benchmarks.drift_rates`). What chance is subtracted leaves few days too little."""

PSI, KS, MISSING = "psi", "ks", "missing"
LEAST: Final = {PSI: 0.01, KS: 0.02, MISSING: 0.01}
"""Smaller differences matter to nobody, however sure they are."""

MEASURES: Final[Mapping[str, Callable[[Counts, Counts], float]]] = {
    PSI: psi,
    KS: lambda reference, served: kolmogorov_smirnov(reference, served) ** 2,
    MISSING: lambda reference, served: (missing_share(reference) - missing_share(served)) ** 2,
}
"""What grows with the square of a shift."""

TESTS: Final = len(MEASURES)
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


@dataclass(frozen=True, slots=True)
class Noise:
    """How a reference's days differ without drift.

    Attributes:
        whole: The counts of the days that the distribution is that of, together.
        days: How many days there are, of those with values.
        own: By measure, what days differ by beyond chance; squared for KS and the missing share.
    """

    whole: Counts
    days: int
    own: Mapping[str, float]


def noise_of(days: Counts, trained: int) -> Noise:
    """Hold each day against the others.

    Args:
        days: The reference's counts by day, shape (days, bins + 1).
        trained: How many of the days, from the first on, the distribution is that of.
    """
    whole = days[:trained].sum(axis=0)
    chance = _chance(whole)
    excess: dict[str, list[float]] = {name: [] for name in MEASURES}
    for at in np.flatnonzero(days.sum(axis=1)):
        rest = whole - days[at] if at < trained else whole
        if rest.sum():
            by_chance = 1 / days[at].sum() + 1 / rest.sum()
            for name, measure in MEASURES.items():
                excess[name].append(measure(rest, days[at]) - chance[name] * by_chance)
    return Noise(whole, len(excess[PSI]), {name: _above(found) for name, found in excess.items()})


def bounded_measures(noise: Noise, served: Counts, alpha: float) -> dict[str, Bounded]:
    """Return each measure of a served day with its bound; nothing is bounded by fewer than `FEWEST_DAYS` days.

    Args:
        noise: Of the reference.
        served: The day's counts, shape (bins + 1,); at least one row.
        alpha: How often, at most, each of these tests may alarm without drift.
    """
    chance = _chance(noise.whole)
    quantile = {
        PSI: float(stats.chi2.isf(alpha, chance[PSI])),
        KS: log(2 / alpha) / 2,
        MISSING: chance[MISSING] * float(stats.norm.isf(alpha / 2)) ** 2,
    }
    by_chance = 1 / served.sum() + 1 / max(noise.whole.sum(), 1)
    enough = noise.days >= FEWEST_DAYS
    student = float(stats.t.isf(alpha / 2, noise.days - 1)) if enough else float("inf")
    found = {}
    for name, measure in MEASURES.items():
        value = measure(noise.whole, served)
        bound = quantile[name] * by_chance + noise.own[name] * student**2 if enough else student
        if name != PSI:
            value, bound = sqrt(value), sqrt(bound)
        found[name] = Bounded(value, max(bound, LEAST[name]))
    return found


def _chance(whole: Counts) -> dict[str, float]:
    """Return what chance adds to n times each measure, on the average."""
    share = (whole[-1] + 1) / (whole.sum() + 2)
    return {PSI: max(int((whole > 0).sum()) - 1, 1), KS: KS_CHANCE, MISSING: share * (1 - share)}


def _above(excess: Sequence[float]) -> float:
    """Return the mean and some standard errors more; nothing below zero."""
    if len(excess) < 2:
        return 0.0
    errors = ERRORS / len(excess)
    return max(0.0, float(np.mean(excess) + errors * np.std(excess, ddof=1) / sqrt(len(excess))))
