"""Compares the AUROC of two models on the same rows by their placement values, rows of one cluster being alike.

With a cluster for each row it is the test of DeLong, DeLong and Clarke-Pearson, *Comparing the areas under two or more
correlated ROC curves* (1988); with clusters that of Obuchowski, *Nonparametric analysis of clustered ROC curve data* (1997). The
difference is held against Student's t of as many clusters as have a positive, or a negative, whichever are fewer.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata, t

Floats = npt.NDArray[np.float64]


def compare_auroc(
    labels: npt.NDArray[Any], first: Floats, second: Floats, clusters: npt.ArrayLike | None = None
) -> tuple[float, float, float] | None:
    """Return second minus first, its standard error and the two-sided p-value that they are equal; None with one class.

    >>> labels = np.array([0, 0, 0, 1, 1, 1])
    >>> scores = np.array([0.1, 0.2, 0.6, 0.4, 0.7, 0.8])
    >>> compare_auroc(labels, scores, scores)
    (0.0, 0.0, 1.0)

    Args:
        labels: 0 or 1, shape (rows,).
        first: One model's scores, shape (rows,).
        second: The other's.
        clusters: Each row's cluster; each row is one of its own when None.
    """
    positive = np.asarray(labels) > 0
    many, few = int((~positive).sum()), int(positive.sum())
    if not many or not few:
        return None
    codes = np.arange(len(positive)) if clusters is None else np.unique(np.asarray(clusters), return_inverse=True)[1]
    units = int(codes.max()) + 1
    above, below = zip(*(_placements(scores, positive) for scores in (first, second)), strict=True)
    # Of each cluster: how far the sum of its placements is from what as many rows with the model's mean would have.
    of_positives = [_sums(codes[positive], one - one.mean(), units) for one in above]
    of_negatives = [_sums(codes[~positive], one - one.mean(), units) for one in below]
    up, down = of_positives[1] - of_positives[0], of_negatives[1] - of_negatives[0]
    with_positives, with_negatives = (len(np.unique(codes[one])) for one in (positive, ~positive))
    variance = _inflate(with_positives) * (up**2).sum() / few**2 + _inflate(with_negatives) * (down**2).sum() / many**2
    variance += 2 * _inflate(units) * (up * down).sum() / (few * many)
    difference = float(above[1].mean() - above[0].mean())
    error = math.sqrt(max(float(variance), 0.0))
    freedom = max(min(with_positives, with_negatives) - 1, 1)
    return difference, error, float(2 * t.sf(abs(difference) / error, freedom)) if error else float(difference == 0)


def _placements(scores: Floats, positive: npt.NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Return for each positive the share of negatives it is above, and for each negative the share of positives it is below."""
    ranks = rankdata(scores)
    ups, downs = rankdata(scores[positive]), rankdata(scores[~positive])
    return (ranks[positive] - ups) / (~positive).sum(), 1 - (ranks[~positive] - downs) / positive.sum()


def _sums(codes: npt.NDArray[np.int64], values: Floats, units: int) -> Floats:
    return np.bincount(codes, weights=values, minlength=units).astype("float64")


def _inflate(units: int) -> float:
    return units / (units - 1) if units > 1 else 1.0
