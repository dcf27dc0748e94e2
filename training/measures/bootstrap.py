"""Says how sure a measurement is: percentile intervals of resamples drawn with replacement.

A statistic is a function of how often each row was drawn. So rows are sorted once and no resample is ever built, and two models
that are measured with the same counts are compared pair by pair. Rows of one cluster (an account, a list of candidates) are
drawn together: they are alike, and intervals that took them for independent would be too narrow.

Source: Efron and Tibshirani, *An Introduction to the Bootstrap* (1993), chapter 13; Field and Welsh, *Bootstrapping clustered
data* (2007).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]
"""How often each row was drawn, shape (resamples, rows)."""

Draws = Mapping[str, npt.NDArray[np.float64]]
"""By metric: its value in each resample, shape (resamples,); NaN where it is undefined."""

Statistic = Callable[[Counts], Draws]

RESAMPLES = 200
AT_ONCE = 2**20  # counts that are worked on together: what fits a processor's cache


def draw_counts(
    rows: int, clusters: npt.ArrayLike | None = None, resamples: int = RESAMPLES, seed: int = 7
) -> npt.NDArray[np.uint16]:
    """Draw rows, or whole clusters of them, with replacement; return how often each row was drawn, (resamples, rows).

    >>> draw_counts(4, clusters=["a", "a", "b", "c"], resamples=2, seed=1).tolist()
    [[0, 0, 2, 1], [2, 2, 0, 1]]

    Args:
        rows: How many there are.
        clusters: Each row's cluster, shape (rows,), of any type; rows are drawn one by one when None.
        resamples: How many to draw.
        seed: Equal seeds give equal counts.
    """
    codes = np.arange(rows) if clusters is None else np.unique(np.asarray(clusters), return_inverse=True)[1]
    units = int(codes.max()) + 1 if rows else 0
    random = np.random.default_rng(seed)
    counts = np.empty((resamples, rows), dtype=np.uint16)
    for resample in counts:
        resample[:] = np.bincount(random.integers(0, units, units), minlength=units)[codes] if units else 0
    return counts


def bootstrap(statistic: Statistic, counts: npt.NDArray[Any]) -> dict[str, npt.NDArray[np.float64]]:
    """Return what a statistic gives for each resample."""
    resamples, rows = counts.shape
    step = max(1, AT_ONCE // max(rows, 1))
    parts = [statistic(counts[start : start + step].astype(np.int64)) for start in range(0, resamples, step)]
    return {name: np.concatenate([part[name] for part in parts]) for name in (parts[0] if parts else {})}


def point(statistic: Statistic, rows: int) -> dict[str, float]:
    """Return what a statistic gives for the rows as they are; NaN where it is undefined."""
    return {name: float(value[0]) for name, value in statistic(np.ones((1, rows), dtype=np.int64)).items()}


def interval(draws: npt.NDArray[np.float64], level: float = 0.95) -> tuple[float, float] | None:
    """Return the bounds between which the share `level` of the defined draws lies; None when fewer than half are defined.

    >>> interval(np.arange(101.0), level=0.5)
    (25.0, 75.0)
    """
    defined = draws[np.isfinite(draws)]
    if not len(defined) or len(defined) < len(draws) / 2:
        return None
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def intervals(draws: Draws, level: float = 0.95) -> dict[str, tuple[float, float]]:
    """Return the interval of each metric that has one."""
    found = {name: interval(values, level) for name, values in draws.items()}
    return {name: bounds for name, bounds in found.items() if bounds is not None}
