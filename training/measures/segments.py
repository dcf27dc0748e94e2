"""Measures parts of the test rows by themselves: those with one value of a column, or a part of its range."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from training.errors import TrainingError
from training.measures.bootstrap import Statistic, bootstrap, intervals, point

if TYPE_CHECKING:
    from collections.abc import Callable

BINS = 5
MOST = 12


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of the rows.

    Attributes:
        column: The column that it is a part by.
        part: The value, or the range `[from, to)`; `missing` where there is none.
        rows: How many rows.
        positives: How many of them have a label above 0.
        measured: By metric: value and 95 % interval; None where undefined.
    """

    column: str
    part: str
    rows: int
    positives: int
    measured: dict[str, tuple[float | None, tuple[float, float] | None]]


def segment_table(
    column: str,
    frame: pd.DataFrame,
    labels: npt.NDArray[Any],
    statistic: Callable[[npt.NDArray[np.int64]], Statistic],
    counts: npt.NDArray[np.uint16],
) -> tuple[Segment, ...]:
    """Measure each part by itself.

    Args:
        column: A column of the label events, or a feature (`view__feature`).
        frame: The rows.
        labels: Shape (rows,).
        statistic: Gives the statistic of some rows, named by their positions.
        counts: Draws for the intervals.

    Raises:
        TrainingError: There is no such column.
    """
    if column not in frame:
        raise TrainingError(
            f"segment: no column {column!r} among label events and features; use one of"
            f" {', '.join(map(str, frame.columns))}."
        )
    codes, names = parts_of(frame[column])
    found = []
    for code, name in enumerate(names):
        rows = np.flatnonzero(codes == code)
        one = statistic(rows)
        bounds = intervals(bootstrap(one, counts[:, rows]))
        measured = {
            metric: (value if np.isfinite(value) else None, bounds.get(metric))
            for metric, value in point(one, len(rows)).items()
        }
        found.append(Segment(column, name, len(rows), int((labels[rows] > 0).sum()), measured))
    return tuple(found)


def parts_of(values: pd.Series[Any]) -> tuple[npt.NDArray[np.int64], list[str]]:
    """Return each row's part and the parts' names: values where there are few, fifths of a range of numbers otherwise.

    >>> parts_of(pd.Series(["a", "b", None, "a"]))
    (array([0, 1, 2, 0]), ['a', 'b', 'missing'])
    """
    known = values.dropna()
    if pd.api.types.is_numeric_dtype(values) and known.nunique() > MOST:
        edges = np.unique(np.quantile(known.to_numpy("float64"), np.linspace(0, 1, BINS + 1)))
        codes = np.digitize(values.to_numpy("float64", na_value=np.nan), edges[1:-1])
        names = [f"[{low:.4g}, {high:.4g}{']' if high == edges[-1] else ')'}" for low, high in pairwise(edges)]
    else:
        common = known.value_counts().index[: MOST - 1]
        order = sorted(common, key=str)
        codes = pd.Categorical(values, categories=order).codes.astype(np.int64)
        codes[codes < 0] = len(order)
        names = [str(one) for one in order] + ["others"]
    codes = np.where(values.isna().to_numpy(), len(names), codes).astype(np.int64)
    names = [*names, "missing"]
    there = np.unique(codes)
    return np.searchsorted(there, codes), [names[code] for code in there]
