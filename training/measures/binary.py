"""Everything that is measured of a binary model's scores, each with its interval."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from training.measures.bootstrap import Statistic, bootstrap, draw_counts, intervals, point
from training.measures.costs import Costs
from training.measures.key_precision import daily_key_precision, of_keys
from training.measures.metrics import Labels, Metrics, Scores, measure
from training.measures.statistics import of_alerts, of_days, of_means, of_order, together

LEAST = 1e-15  # as scikit-learn clips a probability of 0 or 1 for its log loss, in effect


@dataclass(frozen=True, slots=True)
class BinaryTest:
    """Test rows with a model's scores.

    Attributes:
        labels: Shape (rows,), 0 or 1.
        scores: Shape (rows,), probabilities.
        days: Each row's day.
        keys: Each row's key, whose rows are drawn together and whose precision is measured; None where there is none.
        threshold: The score from which on a row is an alert.
        k: For the precisions at k.
        costs: The prices; None where nobody says.
        missing: What each row costs without an alert, with `costs`.
    """

    labels: Labels
    scores: Scores
    days: pd.Series[Any]
    keys: pd.Series[Any] | None
    threshold: float
    k: int
    costs: Costs | None = None
    missing: npt.NDArray[np.float64] | None = None

    def draw(self, seed: int = 7) -> npt.NDArray[np.uint16]:
        """Draw resamples: whole keys where there are keys, else rows."""
        return draw_counts(len(self.labels), None if self.keys is None else self.keys.to_numpy(), seed=seed)

    def daily(self) -> pd.Series[float]:
        """Return each day's key precision; empty without keys."""
        if self.keys is None:
            return pd.Series(dtype="float64")
        return daily_key_precision(self.days, self.keys, self.labels, self.scores, self.k)

    def measure(self, counts: npt.NDArray[np.uint16]) -> Metrics:
        """Measure everything, with intervals."""
        daily = self.daily()
        key_precision = float(daily.mean()) if len(daily) else None
        if not len(self.labels):
            return measure(self.labels, self.scores, self.threshold, self.k, key_precision)
        statistic = self.statistic()
        found = {
            name: value if np.isfinite(value) else None for name, value in point(statistic, len(self.labels)).items()
        }
        if self.missing is not None and self.costs is not None:
            found["no_model"] = min(float(self.missing.mean()), self.costs.alert)
        measured = measure(self.labels, self.scores, self.threshold, self.k, key_precision, found)
        return replace(measured, intervals=self.intervals(statistic, counts, measured))

    def statistic(self) -> Statistic:
        """Return all metrics as a statistic of how often each row was drawn."""
        clipped = np.clip(self.scores, LEAST, 1 - LEAST)
        losses = {
            "log_loss": -np.where(self.labels == 1, np.log(clipped), np.log1p(-clipped)),
            "brier": (self.scores - self.labels) ** 2,
        }
        if self.missing is not None and self.costs is not None:
            losses["cost"] = self.costs.of_rows(self.missing, self.scores, self.threshold)
        parts = [
            of_order(self.labels, self.scores, self.k),
            of_alerts(self.labels, self.scores, self.threshold),
            of_days(self.labels, self.scores, self.days.to_numpy(), self.k),
            of_means(losses),
        ]
        if self.keys is not None:
            parts.append(of_keys(self.days, self.keys, self.labels, self.scores, self.k))
        return together(*parts)

    @staticmethod
    def intervals(
        statistic: Statistic, counts: npt.NDArray[np.uint16], measured: Metrics
    ) -> Mapping[str, tuple[float, float]]:
        """Return the intervals of the metrics that are defined."""
        bounds = intervals(bootstrap(statistic, counts))
        return {name: found for name, found in bounds.items() if getattr(measured, name) is not None}
