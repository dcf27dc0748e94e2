"""Holds what an online read found: columns per view, with the reason for every value that is missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stores.cells.value_types import stored_type


class Status(IntEnum):
    """Why a value is there or missing; the numbers are Feast's `FieldStatus`."""

    PRESENT = 1
    NULL_VALUE = 2
    """The row is there; the feature has no value in it."""
    NOT_FOUND = 3
    """The entity has no row of the view, or the row was written before the feature was declared."""
    OUTSIDE_MAX_AGE = 4
    """The row is older than the view's ttl."""


@dataclass(frozen=True, slots=True)
class ViewRows:
    """The rows of one view, one per request, as columns.

    Attributes:
        name: The view.
        features: Feature names with their value types, in the order of `status`' columns.
        columns: Values by feature, shape (n,). DOUBLE and FLOAT: floats, NaN where missing. INT64, INT32 and
            UNIX_TIMESTAMP (seconds): int64, 0 where missing. BOOL: bool, False where missing. Text and lists: objects,
            None where missing.
        event_timestamp_us: int64 microseconds UTC, shape (n,); `NO_TIMESTAMP` where there is no row. Kept for rows
            outside their ttl.
        row_status: uint8, shape (n,): PRESENT, NOT_FOUND or OUTSIDE_MAX_AGE.
        status: uint8, shape (n, features): a `Status` for every value.
    """

    name: str
    features: tuple[tuple[str, str], ...]
    columns: Mapping[str, npt.NDArray[Any]]
    event_timestamp_us: npt.NDArray[np.int64]
    row_status: npt.NDArray[np.uint8]
    status: npt.NDArray[np.uint8]

    def numbers(self, feature: str) -> npt.NDArray[np.float64]:
        """Return a number, BOOL or UNIX_TIMESTAMP feature as float64 with NaN where missing, shape (n,)."""
        column = self.columns[feature]
        if column.dtype.kind == "f":
            return column.astype(np.float64, copy=False)
        return np.where(self._present(feature), column, np.nan)

    def arrow(self, feature: str) -> pa.Array:
        """Return a feature as an Arrow array of its declared type, null where missing."""
        stored = stored_type(dict(self.features)[feature])
        column, missing = self.columns[feature], ~self._present(feature)
        if column.dtype == object:
            storage = pa.list_(pa.int64()) if stored.name == "UNIX_TIMESTAMP_LIST" else stored.arrow
            return pa.array(column.tolist(), storage).cast(stored.arrow)
        return pa.array(column, mask=missing).cast(stored.arrow)

    def _present(self, feature: str) -> npt.NDArray[np.bool_]:
        position = [name for name, _ in self.features].index(feature)
        return self.status[:, position] == Status.PRESENT


@dataclass(frozen=True, slots=True)
class OnlineRows:
    """The rows of all views for the same n requests.

    Attributes:
        views: The rows by view name.
    """

    views: Mapping[str, ViewRows]

    def matrix(self, features: Sequence[tuple[str, str]]) -> npt.NDArray[np.float64]:
        """Return (view, feature) pairs as a float64 matrix, shape (n, features), NaN where missing."""
        return np.stack([self.views[view].numbers(feature) for view, feature in features], axis=1)
