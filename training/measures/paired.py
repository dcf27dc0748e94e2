"""Says how two models differ on the same rows: each metric's difference with an interval of paired draws.

Both are measured with the same counts of draws, so what is hard for both does not count for or against either. What is drawn are
clusters of rows that are alike (`training.measures.bootstrap`).

Percentiles of draws are too narrow where few clusters have a positive: of equal models they call one better or worse in 8 to 13 %
of all tries with 8 to 15 such clusters, where 5 % are meant (`python -m benchmarks.paired_comparison`). So their ends are moved
outwards by what Student's t and the divisor n - 1 ask for: Hesterberg, *What Teachers Should Know About the Bootstrap* (2015).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import norm, t

from training.measures.bootstrap import Statistic, bootstrap, draw_counts, interval, point
from training.measures.delong import compare_auroc
from training.measures.key_precision import of_keys
from training.measures.metrics import Metrics
from training.measures.ranking import RankingMetrics, list_table, of_lists
from training.measures.regression import RegressionMetrics, of_errors
from training.measures.statistics import of_means, of_order, together

Floats = npt.NDArray[np.float64]

COMPARED: Final[Mapping[str, tuple[str, ...]]] = {
    "binary": ("average_precision", "auroc", "log_loss", "key_precision_at_k"),
    "regression": ("rmse", "mae"),
    "ranking": ("ndcg_10", "ndcg_5", "average_precision", "pairwise_loss"),
}
"""By what is predicted: the metrics of a comparison, the main one first."""

LOWER_IS_BETTER: Final = frozenset({"log_loss", "rmse", "mae", "pairwise_loss"})
RESAMPLES: Final = 400
LEVEL: Final = 0.95


@dataclass(frozen=True, slots=True)
class PairedRows:
    """The same rows, as both models see them.

    Attributes:
        predicts: `binary`, `regression` or `ranking`.
        labels: Shape (rows,).
        champion: The champion's answers, shape (rows,).
        challenger: The challenger's.
        clusters: Each row's cluster; each row is one of its own when None.
        groups: For a ranking: each row's list.
        days: Each row's day, for the precision of keys.
        keys: The keys that are looked at each day; None where there are none.
        k: How many of them.
    """

    predicts: str
    labels: npt.NDArray[Any]
    champion: Floats
    challenger: Floats
    clusters: npt.NDArray[Any] | None = None
    groups: npt.NDArray[np.int64] | None = None
    days: pd.Series[pd.Timestamp] | None = None
    keys: pd.Series[Any] | None = None
    k: int = 100


@dataclass(frozen=True, slots=True)
class Difference:
    """One metric of both models; None where it is undefined.

    Attributes:
        metric: Its name.
        champion: The champion's figure.
        challenger: The challenger's figure.
        difference: Challenger minus champion.
        low: The lower end of the difference's interval.
        high: The upper end.
        p: The p-value of no difference by DeLong's test, for AUROC.
    """

    metric: str
    champion: float | None
    challenger: float | None
    difference: float | None
    low: float | None
    high: float | None
    p: float | None = None

    @property
    def gain(self) -> tuple[float, float, float] | None:
        """Return difference, low and high, turned so that above 0 is better; None where they are undefined."""
        if self.difference is None or self.low is None or self.high is None:
            return None
        if self.metric in LOWER_IS_BETTER:
            return -self.difference, -self.high, -self.low
        return self.difference, self.low, self.high

    @property
    def verdict(self) -> str:
        """Return `better`, `worse`, or that no difference was seen."""
        if self.gain is None:
            return "undefined"
        return "better" if self.gain[1] > 0 else "worse" if self.gain[2] < 0 else "no difference seen"


def title_of(predicts: str, metric: str, k: int) -> str:
    """Return a metric's title for people."""
    kind: Any = {"binary": Metrics, "regression": RegressionMetrics, "ranking": RankingMetrics}[predicts]
    return str(kind.MEANING[metric][0]).format(k=k)


def compare_scores(rows: PairedRows, resamples: int = RESAMPLES, seed: int = 7) -> tuple[Difference, ...]:
    """Compare two models' answers, metric by metric, in the order of `COMPARED`.

    >>> rows = PairedRows("regression", np.zeros(50), np.linspace(-2, 2, 50), np.linspace(-1, 1, 50))
    >>> [(one.metric, one.verdict) for one in compare_scores(rows)]
    [('rmse', 'better'), ('mae', 'better')]
    """
    counts = draw_counts(len(rows.labels), rows.clusters, resamples, seed)
    statistics = [_statistic(rows, scores) for scores in (rows.champion, rows.challenger)]
    here, there = (point(one, len(rows.labels)) for one in statistics)
    draws, other_draws = (bootstrap(one, counts) for one in statistics)
    units, found = _units(rows), []
    for metric in COMPARED[rows.predicts]:
        if metric not in here:
            continue
        bounds = interval(other_draws[metric] - draws[metric], LEVEL)
        low, high = (None, None) if bounds is None else expand(bounds, there[metric] - here[metric], units)
        delong = (
            compare_auroc(rows.labels, rows.champion, rows.challenger, rows.clusters) if metric == "auroc" else None
        )
        found.append(
            Difference(
                metric,
                _defined(here[metric]),
                _defined(there[metric]),
                _defined(there[metric] - here[metric]),
                low,
                high,
                delong[2] if delong else None,
            )
        )
    return tuple(found)


def expand(bounds: tuple[float, float], estimate: float, units: int, level: float = LEVEL) -> tuple[float, float]:
    """Move the ends of a percentile interval away from the estimate, as few units ask for.

    >>> [round(end, 2) for end in expand((-1.0, 1.0), 0.0, 10)], [round(end, 2) for end in expand((-1.0, 1.0), 0.0, 10_000)]
    ([-1.22, 1.22], [-1.0, 1.0])
    """
    units, tail = max(units, 2), (1 + level) / 2
    by = t.ppf(tail, units - 1) / norm.ppf(tail) * np.sqrt(units / (units - 1))
    return float(estimate + (bounds[0] - estimate) * by), float(estimate + (bounds[1] - estimate) * by)


def _units(rows: PairedRows) -> int:
    """Count the clusters that carry the differences: of a binary label those of the rarer class."""
    clusters = np.arange(len(rows.labels)) if rows.clusters is None else rows.clusters
    parts = (rows.labels > 0, rows.labels <= 0) if rows.predicts == "binary" else (slice(None),)
    return min(len(pd.unique(clusters[part])) for part in parts)


def _statistic(rows: PairedRows, scores: Floats) -> Statistic:
    """Return the metrics of one model's answers."""
    if rows.predicts == "regression":
        return of_errors(rows.labels, scores)
    if rows.predicts == "ranking":
        groups = np.arange(len(scores)) if rows.groups is None else rows.groups
        firsts, table = list_table(rows.labels, scores, groups)
        measured = of_lists(table)
        return lambda counts: measured(counts[:, firsts])
    sure = np.clip(scores, 1e-15, 1 - 1e-15)
    parts = [
        of_order(rows.labels, scores, rows.k),
        of_means({"log_loss": -np.where(rows.labels > 0, np.log(sure), np.log1p(-sure))}),
    ]
    if rows.keys is not None and rows.days is not None:
        parts.append(of_keys(rows.days, rows.keys, rows.labels, scores, rows.k))
    return together(*parts)


def _defined(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
