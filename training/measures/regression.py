"""Measures how far predicted quantities are from the true ones, offline."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from training.measures.bootstrap import Counts, Draws, Statistic, bootstrap, draw_counts, intervals
from training.measures.statistics import of_means

Floats = npt.NDArray[np.float64]

DOUBT = 3.0
"""How many standard errors a model must be ahead."""


@dataclass(frozen=True, slots=True)
class RegressionMetrics:
    """What was measured of a regression; all in the label's unit but `r2`.

    Attributes:
        rows: Number of rows.
        mae: The mean absolute error.
        rmse: The square root of the mean squared error.
        r2: The share of the variance that is explained: 1 minus the squared error over that of the test's own mean.
        mean_mae: `mae` of predicting the training rows' median everywhere.
        mean_rmse: `rmse` of predicting the training rows' mean everywhere.
        lead: By how many standard errors the squared error is below that of the training mean.
        reasons: (metric, why it is undefined).
        intervals: By metric: the 95 % bootstrap interval.
    """

    MEANING: ClassVar[Mapping[str, tuple[str, str]]] = {
        "mae": ("MAE", "how far a prediction is from the truth, on average; lower is better"),
        "rmse": ("RMSE", "the same with large errors weighing more; lower is better"),
        "r2": ("R²", "the share of the variance that is explained, 1 when all of it is"),
    }
    HEADLINES: ClassVar[tuple[str, ...]] = ("mae", "rmse", "r2")

    rows: int
    mae: float | None
    rmse: float | None
    r2: float | None
    mean_mae: float
    mean_rmse: float
    lead: float
    reasons: tuple[tuple[str, str], ...] = ()
    intervals: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    def chance(self) -> dict[str, float]:
        """Return what the training rows' median (`mae`) and mean (`rmse`, `r2`) reach."""
        return {"mae": self.mean_mae, "rmse": self.mean_rmse, "r2": 0.0}

    def beats_chance(self) -> tuple[bool, str]:
        """Say whether squared errors are below the training mean's by `DOUBT` standard errors."""
        if self.rmse is None:
            return False, "no rows"
        return self.lead > DOUBT, f"RMSE {self.rmse:.4g} against {self.mean_rmse:.4g} of the mean"

    def to_dict(self) -> dict[str, Any]:
        """Return all fields as JSON holds them."""
        bounds = {name: list(found) for name, found in self.intervals.items()}
        return asdict(self) | {"reasons": dict(self.reasons), "intervals": bounds}


def measure_regression(labels: Floats, predicted: Floats, training: Floats) -> RegressionMetrics:
    """Measure predictions, shape (rows,), against labels; `training` are the labels that were trained on.

    >>> found = measure_regression(np.array([1.0, 3.0]), np.array([1.0, 2.0]), np.array([2.0, 2.0]))
    >>> found.mae, found.mean_mae
    (0.5, 1.0)
    """
    if not len(labels):
        return RegressionMetrics(
            0, None, None, None, 0.0, 0.0, 0.0, tuple((n, "no rows") for n in ("mae", "rmse", "r2"))
        )
    squared = (labels - predicted) ** 2
    of_mean = (labels - training.mean()) ** 2
    ahead = of_mean - squared
    spread = float(ahead.std(ddof=1)) / len(ahead) ** 0.5 if len(ahead) > 1 else 0.0
    total = float(((labels - labels.mean()) ** 2).sum())
    return RegressionMetrics(
        rows=len(labels),
        mae=float(np.abs(labels - predicted).mean()),
        rmse=float(squared.mean() ** 0.5),
        r2=1 - float(squared.sum()) / total if total else None,
        mean_mae=float(np.abs(labels - np.median(training)).mean()),
        mean_rmse=float(of_mean.mean() ** 0.5),
        lead=float(ahead.mean()) / spread if spread else 0.0,
        reasons=() if total else (("r2", "all labels are equal"),),
        intervals=intervals(bootstrap(of_errors(labels, predicted), draw_counts(len(labels)))),
    )


def of_errors(labels: Floats, predicted: Floats) -> Statistic:
    """Return `mae`, `rmse` and `r2`."""
    shifted = labels - (labels.mean() if len(labels) else 0.0)
    columns = {
        "mae": np.abs(labels - predicted),
        "squared": (labels - predicted) ** 2,
        "label": shifted,
        "label squared": shifted**2,
    }
    means = of_means(columns)

    def statistic(counts: Counts) -> Draws:
        found = means(counts)
        variance = found["label squared"] - found["label"] ** 2
        with np.errstate(divide="ignore", invalid="ignore"):
            r2 = np.where(variance > 0, 1 - found["squared"] / variance, np.nan)
        return {"mae": found["mae"], "rmse": np.sqrt(found["squared"]), "r2": r2}

    return statistic
