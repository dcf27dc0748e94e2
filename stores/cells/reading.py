"""Holds what an online read found: columns per view, with the reason for every value that is missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from stores.cells.column import Column


class Status(IntEnum):
    """Why a value is there or missing; the numbers are Feast's `FieldStatus`."""

    UNAVAILABLE = 0
    """The store that holds the row did not answer, and others did; Feast calls it INVALID."""
    PRESENT = 1
    NULL_VALUE = 2
    """The row is there; the feature has no value in it."""
    NOT_FOUND = 3
    """The entity has no row of the view, or the row was written before the feature was declared."""
    OUTSIDE_MAX_AGE = 4
    """The row is older than the view's ttl."""
    STALE = 5
    """The value is there, and may not be the newest: the store did not answer, and a cache or another tier did; not Feast's."""


@dataclass(frozen=True, slots=True)
class ViewReading:
    """The rows of one view, one per request, as columns.

    Attributes:
        columns: Values by feature.
        event_timestamp_us: int64 microseconds UTC, shape (n,); `NO_TIMESTAMP` where there is no row. Kept for rows
            outside their ttl.
        row_status: uint8, shape (n,): PRESENT, NOT_FOUND, OUTSIDE_MAX_AGE, UNAVAILABLE or STALE.
    """

    columns: Mapping[str, Column]
    event_timestamp_us: npt.NDArray[np.int64]
    row_status: npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class Reading:
    """The rows of all views for the same n requests.

    Attributes:
        views: The rows by view, under its alias if the layout gives one.
    """

    views: Mapping[str, ViewReading]
