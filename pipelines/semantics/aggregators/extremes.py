"""Smallest and largest value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from pipelines.semantics.aggregators.ranges import Index, fold_ranges
from pipelines.semantics.aggregators.values import Values


@dataclass(frozen=True, slots=True)
class Min:
    """The smallest value. Null where there are none.

    >>> Min().of([2, 1])
    1
    """

    takes: ClassVar[str] = "number"
    optional_column: ClassVar[bool] = False

    def result(self, column: pa.DataType | None) -> pa.DataType:
        """Return the type of the result."""
        return pa.float64() if column is not None and pa.types.is_floating(column) else pa.int64()

    def of(self, values: Sequence[Any]) -> Any:
        """Return the result over non-null values, in the order of their events."""
        return min(values, default=None)

    def over(self, values: Values, starts: Index, stops: Index) -> pa.Array:
        """Return the same over each range of values."""
        return _extremes(np.minimum, values, starts, stops)


@dataclass(frozen=True, slots=True)
class Max:
    """The largest value. Null where there are none.

    >>> Max().of([2, 1])
    2
    """

    takes: ClassVar[str] = "number"
    optional_column: ClassVar[bool] = False

    def result(self, column: pa.DataType | None) -> pa.DataType:
        """Return the type of the result."""
        return pa.float64() if column is not None and pa.types.is_floating(column) else pa.int64()

    def of(self, values: Sequence[Any]) -> Any:
        """Return the result over non-null values, in the order of their events."""
        return max(values, default=None)

    def over(self, values: Values, starts: Index, stops: Index) -> pa.Array:
        """Return the same over each range of values."""
        return _extremes(np.maximum, values, starts, stops)


def _extremes(better: np.ufunc, values: Values, starts: Index, stops: Index) -> pa.Array:
    (best,) = fold_ranges((values.numbers,), lambda a, b: (better(a[0], b[0]),), starts, stops)
    return pa.array(best, mask=starts == stops)
