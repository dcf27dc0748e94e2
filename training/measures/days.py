"""Counts rows day by day: how many, how they are labelled, and what the model makes of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Day:
    """One day's rows.

    Attributes:
        date: ISO 8601.
        rows: How many.
        label: Their mean label: for a class the share of positives.
        score: Their mean score; near `label` where the model is right on average. None where none was scored.
        alerts: The share of them at or above the threshold; None without one.
    """

    date: str
    rows: int
    label: float
    score: float | None = None
    alerts: float | None = None


def by_day(
    days: pd.Series[Any], labels: npt.NDArray[Any], scores: Floats | None = None, threshold: float | None = None
) -> tuple[Day, ...]:
    """Return each day's rows, in time order.

    Args:
        days: Each row's day, shape (rows,).
        labels: Shape (rows,).
        scores: Shape (rows,), where there are any.
        threshold: The score from which on a row is an alert, where there is one.
    """
    frame = pd.DataFrame({"label": labels}, dtype="float64")
    if scores is not None:
        frame["score"] = scores
        if threshold is not None:
            frame["alerts"] = (scores >= threshold).astype("float64")
    by = frame.groupby(days.to_numpy(), sort=True)
    means = by.mean()
    rows = by.size()
    return tuple(
        Day(f"{day:%F}", int(rows[day]), **{name: float(value) for name, value in mean.items()})
        for day, mean in zip(pd.DatetimeIndex(means.index), means.to_dict("records"), strict=True)
    )
