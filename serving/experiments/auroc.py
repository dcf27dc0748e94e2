"""The area under the ROC curve with its variance over units."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from serving.experiments.sequential import Floats, Moments


def auroc_moments(scores: Floats, is_positive: npt.NDArray[np.bool_], units: npt.NDArray[np.int64]) -> Moments:
    """Return the area and its variance; not a number where there are no positives or no negatives.

    Decisions of one unit count as one cluster: Obuchowski, "Nonparametric analysis of clustered ROC curve data" (Biometrics, 1997);
    where every unit has one decision, that is DeLong's variance.

    Args:
        scores: One a decision.
        is_positive: What happened.
        units: A number from 0 for the unit of each.

    >>> float(auroc_moments(np.array([0.1, 0.4, 0.35, 0.8]), np.array([False, False, True, True]), np.arange(4)).mean)
    0.75
    """
    positives, negatives = scores[is_positive], scores[~is_positive]
    m, n = len(positives), len(negatives)
    if not m or not n:
        nothing = np.array(np.nan)
        return Moments(nothing, nothing, nothing, np.array(0.0), np.array(0.0))
    of_positives = _share_below(negatives, positives)
    of_negatives = 1 - _share_below(positives, negatives)
    area = float(of_positives.mean())
    size = int(units.max()) + 1
    deviations = [
        np.bincount(units[chosen], placed - area, size).astype(np.float64)
        for chosen, placed in ((is_positive, of_positives), (~is_positive, of_negatives))
    ]
    with_either = [len(np.unique(units[chosen])) for chosen in (is_positive, ~is_positive)]
    z = deviations[0] / m + deviations[1] / n
    clusters = len(np.unique(units))
    variance = float((z**2).sum()) * clusters / max(clusters - 1, 1)
    carrying = min(_carrying(one) for one in deviations)
    effective = 2 * m * n / (m + n)
    return Moments(
        *(np.array(float(one)) for one in (area, variance, variance * effective, min(with_either), carrying))
    )


def _share_below(others: Floats, values: Floats) -> Floats:
    """Return, for each value, which share of the others is less, equal ones by half."""
    ordered = np.sort(others)
    below = np.searchsorted(ordered, values, "left") + np.searchsorted(ordered, values, "right")
    return below / (2 * len(others))


def _carrying(deviations: Floats) -> float:
    fourth = float((deviations**4).sum())
    return float((deviations**2).sum()) ** 2 / fourth if fourth else 0.0
