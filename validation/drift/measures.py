"""How far two distributions are apart, from counts in the same bins; the last bin holds what is missing."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]
Shares = npt.NDArray[np.float64]


def shares_of(counts: Counts) -> Shares:
    """Return the share of each bin, none of them zero: one more value lies spread evenly over all.

    >>> shares_of(np.array([3, 0])).tolist()
    [0.875, 0.125]
    """
    return np.asarray((counts + 1 / len(counts)) / (counts.sum() + 1), np.float64)


def psi(reference: Counts, served: Counts) -> float:
    """Return the population stability index, the sum of (q - p) ln(q / p) over all bins, missing values' among them.

    What was served is smoothed by one value that is distributed as the reference, so that no bin is infinitely far away.
    """
    p = shares_of(reference)
    q = (served + p) / (served.sum() + 1)
    return float(((q - p) * np.log(q / p)).sum())


def jensen_shannon(reference: Counts, served: Counts) -> float:
    """Return the Jensen-Shannon divergence in bits: 0 for equal distributions, 1 for those that share nothing."""
    p = shares_of(reference)
    q = (served + p) / (served.sum() + 1)
    middle = (p + q) / 2
    return float((p * np.log2(p / middle) + q * np.log2(q / middle)).sum() / 2)


def kolmogorov_smirnov(reference: Counts, served: Counts) -> float:
    """Return the largest difference between the cumulative shares of values that are there, at the ends of bins."""
    p, q = (np.cumsum(one[:-1]) / max(one[:-1].sum(), 1) for one in (reference, served))
    return float(np.abs(p - q).max())


def missing_share(counts: Counts) -> float:
    """Return the share of missing values."""
    return float(counts[-1] / max(counts.sum(), 1))
