"""Says whether two values, or two columns of them, are the same (rule 8)."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

RELATIVE: Final = 1e-9
"""How far two floats may be apart, relative to the larger (rule 8)."""

Mask = npt.NDArray[np.bool_]


def compare_columns(here: pd.Series[Any], there: pd.Series[Any]) -> tuple[Mask, Mask, Mask]:
    """Return where two columns are the same, where the first is missing and where the second is; missing is the same as missing.

    Whole numbers are the same or not; floats may be 1e-9 of the larger apart.

    >>> good, first, second = compare_columns(pd.Series([1.0, None, None]), pd.Series([1.0 + 1e-12, None, 2.0]))
    >>> good.tolist(), first.tolist(), second.tolist()
    ([True, True, False], [False, True, True], [False, True, False])
    """
    if _is_number(here) and _is_number(there):
        a, b = here.to_numpy("float64", na_value=np.nan), there.to_numpy("float64", na_value=np.nan)
        first, second = np.isnan(a), np.isnan(b)
        near = RELATIVE * np.maximum(np.abs(a), np.abs(b))
        whole = all((one[~np.isnan(one)] % 1 == 0).all() for one in (a, b))  # counts and times are exact or wrong
        return (first & second) | (a == b if whole else np.abs(a - b) <= near), first, second
    first, second = (np.fromiter(map(is_missing, one), bool, len(one)) for one in (here, there))
    good = np.fromiter((agrees(a, b) for a, b in zip(here, there, strict=True)), bool, len(here))
    return good, first, second


def agrees(here: Any, there: Any) -> bool:
    """Say whether two values are the same: floats to 1e-9 relative, lists item by item, missing only with missing.

    >>> agrees(0.1 + 0.2, 0.3), agrees(None, float("nan")), agrees([1, 2], [1, 3]), agrees(0, None)
    (True, True, False, False)
    """
    if _is_list(here) or _is_list(there):
        both = _is_list(here) and _is_list(there) and len(here) == len(there)
        return bool(both and all(agrees(a, b) for a, b in zip(here, there, strict=True)))
    if is_missing(here) or is_missing(there):
        return is_missing(here) and is_missing(there)
    if isinstance(here, int | float | np.number) and isinstance(there, int | float | np.number):
        a, b = float(here), float(there)
        return here == there or bool(abs(a - b) <= RELATIVE * max(abs(a), abs(b)))
    if isinstance(here, datetime) or isinstance(there, datetime):
        return bool(_in_utc(here) == _in_utc(there))
    return bool(here == there)


def is_missing(value: Any) -> bool:
    """Say whether a value is none; a list never is."""
    return not _is_list(value) and bool(pd.isna(value))


def _is_number(column: pd.Series[Any]) -> bool:
    return pd.api.types.is_numeric_dtype(column)


def _is_list(value: Any) -> bool:
    return isinstance(value, list | tuple | np.ndarray)


def _in_utc(value: Any) -> pd.Timestamp:
    at = pd.Timestamp(value)
    return at.tz_localize("UTC") if at.tzinfo is None else at.tz_convert("UTC")
