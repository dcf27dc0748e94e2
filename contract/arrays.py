"""For on-demand functions that take a mapping of NumPy arrays as well as a frame (tag `millrace.takes: arrays`).

Feast hands such a function a frame, serving a mapping from name to array, which costs a tenth: a number is an array of numbers,
NaN where missing; a time `datetime64[us]`, UTC; all else an array of objects, None where missing. Import inside the
function: Feast runs it by its text alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

_DAY = 86_400_000_000


def columns_like(inputs: Any, **columns: Any) -> Any:
    """Return columns as the function was given its inputs: a frame with the same index for a frame, else a mapping.

    >>> columns_like({"n": np.array([1, 2])}, twice=np.array([2, 4]))
    {'twice': array([2, 4])}
    """
    if isinstance(inputs, Mapping):
        return columns
    import pandas as pd

    return pd.DataFrame(columns, index=inputs.index)


def floats(column: Any) -> npt.NDArray[np.float64]:
    """Return a column of numbers as floats, NaN for null; microseconds of our times are exact in them.

    >>> floats([1, None])
    array([ 1., nan])
    """
    if isinstance(column, np.ndarray) and column.dtype.kind in "iufb":
        return column.astype(np.float64, copy=False)
    import pandas as pd

    if isinstance(column, pd.Series) and pd.api.types.is_numeric_dtype(column.dtype):
        return np.asarray(column.to_numpy("float64", na_value=np.nan))
    given = pd.to_numeric(pd.Series(np.asarray(column, object)), errors="coerce")
    return np.asarray(given.astype("float64").to_numpy())


def micros(column: Any) -> npt.NDArray[np.int64]:
    """Return a column of times, none of them missing, as microseconds since the epoch; UTC where they do not say.

    >>> micros(np.array(["1970-01-01T00:01:30"], "datetime64[us]"))
    array([90000000])
    """
    if isinstance(column, np.ndarray) and column.dtype.kind == "M":
        return column.astype("datetime64[us]").view(np.int64)
    import pandas as pd

    given = column if isinstance(column, pd.Series) else pd.Series(np.asarray(column))
    return np.asarray(pd.to_datetime(given, utc=True).dt.as_unit("us").astype("int64"))


def hour_of_day(at: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the hour of times in microseconds, UTC.

    >>> hour_of_day(np.array([0, 86_399_999_999, -1]))
    array([ 0, 23, 23])
    """
    return at % _DAY // 3_600_000_000


def day_of_week(at: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the day of the week of times in microseconds, UTC: 0 is Monday, 6 Sunday.

    >>> day_of_week(np.array([0, -1]))  # the first of January 1970 was a Thursday
    array([3, 2])
    """
    return (at // _DAY + 3) % 7


def ratio(of: npt.NDArray[np.float64], to: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Divide, where the divisor is positive; NaN elsewhere.

    >>> ratio(np.array([1.0, 1.0, 1.0]), np.array([2.0, 0.0, np.nan]))
    array([0.5, nan, nan])
    """
    there = to > 0
    return np.where(there, of, np.nan) / np.where(there, to, 1.0)


def occurrences(lists: Any, values: Any) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return how often each row's list holds the row's value, and how long the list is; 0 and 0 where it is missing.

    Args:
        lists: Lists or arrays, shape (rows,); null or NaN for none.
        values: What is looked for, shape (rows,), of the items' type.

    >>> occurrences([[1, 2, 2], [3], None, []], [2, 2, 2, 2])
    (array([2, 0, 0, 0]), array([3, 1, 0, 0]))
    """
    given = [one if isinstance(one, list | tuple | np.ndarray) else () for one in lists]
    sizes = np.fromiter(map(len, given), np.int64, len(given))
    times = np.zeros(len(given), np.int64)
    there = np.flatnonzero(sizes)
    if len(there):
        items = np.concatenate([given[row] for row in there])
        equal = items == np.repeat(np.asarray(values)[there], sizes[there])
        times[there] = np.add.reduceat(equal, np.cumsum(sizes[there]) - sizes[there], dtype=np.int64)
    return times, sizes
