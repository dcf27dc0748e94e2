"""What a binary model gives at several thresholds: how many alerts, how many of them are right, and what it all costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.measures.bootstrap import bootstrap, intervals, point
from training.measures.costs import Costs
from training.measures.statistics import of_alerts, of_means, together

Floats = npt.NDArray[np.float64]
Bounds = tuple[float, float] | None

SHARES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05)
"""Of how many rows an alert is raised, beside the chosen threshold."""


@dataclass(frozen=True, slots=True)
class AlertRow:
    """One threshold.

    Attributes:
        threshold: The score from which on a row is an alert.
        alerts: The share of rows that are.
        measured: By name (`precision`, `recall`, `f1`, `cost`): value and 95 % interval, None where undefined. `cost` is the
            mean of a row; absent without a cost table.
    """

    threshold: float
    alerts: float
    measured: dict[str, tuple[float | None, Bounds]]


def alert_table(
    labels: npt.NDArray[np.int64],
    scores: Floats,
    threshold: float,
    counts: npt.NDArray[np.uint16],
    costs: Costs | None = None,
    missing: Floats | None = None,
    shares: Sequence[float] = SHARES,
) -> tuple[AlertRow, ...]:
    """Measure the chosen threshold, then those from which on such a share of the rows are alerts; by falling threshold.

    Args:
        labels: Shape (rows,), 0 or 1.
        scores: Shape (rows,).
        threshold: The chosen one.
        counts: Draws for the intervals.
        costs: The prices, with `missing`: what each row costs without an alert.
        missing: Shape (rows,).
        shares: Of all rows.
    """
    if not len(labels):
        return ()
    ordered = np.sort(scores)[::-1]
    places = sorted({max(1, round(share * len(ordered))) for share in shares})
    chosen = {float(ordered[place - 1]) for place in places if place <= len(ordered)} | {threshold}
    return tuple(_row(labels, scores, at, counts, costs, missing) for at in sorted(chosen, reverse=True))


def _row(
    labels: npt.NDArray[np.int64],
    scores: Floats,
    threshold: float,
    counts: npt.NDArray[np.uint16],
    costs: Costs | None,
    missing: Floats | None,
) -> AlertRow:
    statistic = of_alerts(labels, scores, threshold)
    if costs is not None and missing is not None:
        statistic = together(statistic, of_means({"cost": costs.of_rows(missing, scores, threshold)}))
    values, bounds = point(statistic, len(labels)), intervals(bootstrap(statistic, counts))
    found = {name: (value if np.isfinite(value) else None, bounds.get(name)) for name, value in values.items()}
    return AlertRow(threshold, float((scores >= threshold).mean()), found)
