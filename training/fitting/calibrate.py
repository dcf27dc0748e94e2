"""Finds the curve that makes scores probabilities, on rows that the model was not fitted to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import minimize

from contract.calibration import Calibration

Floats = npt.NDArray[np.float64]

LEAST = 20
"""Positives and negatives that each half must have."""

NEAREST = 1e-7  # how near 0 or 1 a score is taken to be: float32 knows no nearer one
PULL = 1e-3  # how strongly slopes are held near 1: as much as a thousandth of a positive row


@dataclass(frozen=True, slots=True)
class Calibrated:
    """What was found.

    Attributes:
        calibration: The curve; None where scores stay as they are.
        said: Why, for people.
    """

    calibration: Calibration | None
    said: str


def calibrate(labels: npt.NDArray[np.int64], scores: Floats) -> Calibrated:
    """Choose the simplest curve that is good, and fit it to all rows.

    Each kind is fitted to the older half and judged by its log loss on the newer one. One with more numbers is taken only
    where it is better by more than a standard error of the difference.

    Args:
        labels: Shape (rows,), 0 or 1, in the order of time.
        scores: Shape (rows,), in [0, 1], of a model that was not fitted to these rows.
    """
    positive = labels.astype(np.float64)
    half = len(labels) // 2
    older, newer = slice(None, half), slice(half, None)
    counts = [int(positive[part].sum()) for part in (older, newer)]
    if min(*counts, half - counts[0]) < LEAST:
        return Calibrated(None, f"none: fewer than {LEAST} positives in a half of the rows held out")
    chosen, name = None, "none"
    best = _losses(positive[newer], scores[newer])
    told = [f"none {best.mean():.5f}"]
    for kind, fit in FITS.items():
        losses = _losses(positive[newer], fit(positive[older], scores[older]).apply(scores[newer]))
        told.append(f"{kind} {losses.mean():.5f}")
        gain = best - losses
        if gain.mean() > gain.std(ddof=1) / len(gain) ** 0.5:
            chosen, name, best = fit, kind, losses
    said = f"{name}; log loss on the newer half of the rows held out: {', '.join(told)}"
    return Calibrated(chosen(positive, scores) if chosen else None, said)


def fit_platt(positive: Floats, scores: Floats) -> Calibration:
    """Fit one slope and what is added."""
    slope, added = _fit(positive, np.stack([_log(scores) - _log(1 - scores)], axis=1))
    return Calibration(slope, slope, added)


def fit_beta(positive: Floats, scores: Floats) -> Calibration:
    """Fit two slopes and what is added."""
    low, high, added = _fit(positive, np.stack([_log(scores), -_log(1 - scores)], axis=1))
    return Calibration(low, high, added)


FITS: dict[str, Callable[[Floats, Floats], Calibration]] = {"platt": fit_platt, "beta": fit_beta}
"""By falling simplicity."""


def _fit(positive: Floats, columns: Floats) -> list[float]:
    """Return the slopes, all above 0, and the constant of the likeliest logistic curve."""
    signs = 2 * positive - 1

    def loss(at: Floats) -> tuple[float, Floats]:
        slopes = np.exp(at[:-1])  # above 0 whatever is tried
        margin = signs * (columns @ slopes + at[-1])
        value = np.logaddexp(0, -margin).sum() + PULL * (at[:-1] ** 2).sum()
        wrong = -signs / (1 + np.exp(np.clip(margin, -500, 500)))
        return float(value), np.append((wrong @ columns) * slopes + 2 * PULL * at[:-1], wrong.sum())

    found = minimize(
        loss,
        np.zeros(columns.shape[1] + 1),
        jac=True,
        method="L-BFGS-B",
        bounds=[(-5, 5)] * columns.shape[1] + [(-50, 50)],
    )
    return [*np.exp(found.x[:-1]).tolist(), float(found.x[-1])]


def _losses(positive: Floats, scores: Floats) -> Floats:
    return -np.where(positive > 0, _log(scores), _log(1 - scores))


def _log(scores: Floats) -> Floats:
    return np.log(np.clip(scores, NEAREST, 1.0))
