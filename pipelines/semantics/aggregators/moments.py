"""Sum, mean, variance and standard deviation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum, sqrt
from typing import Any, ClassVar

import pyarrow as pa

from pipelines.semantics.panes.limits import LARGEST_SQUARE, LARGEST_SUM


@dataclass(frozen=True, slots=True)
class Sum:
    """Adds the values. 0 where there are none. Integers stay integers.

    >>> Sum().of([0.1] * 10)
    1.0
    """

    cells: ClassVar[str] = "sum"
    takes: ClassVar[str] = "number"
    optional_column: ClassVar[bool] = False

    def result(self, column: pa.DataType | None) -> pa.DataType:
        """Return the type of the result."""
        return pa.float64() if column is not None and pa.types.is_floating(column) else pa.int64()

    def of(self, values: Sequence[Any]) -> int | float | None:
        """Return the result over non-null values, in the order of their events."""
        if _beyond(values, LARGEST_SUM):
            return None
        return fsum(values) if any(isinstance(value, float) for value in values) else sum(values)


@dataclass(frozen=True, slots=True)
class Mean:
    """Averages the values. Null where there are none.

    >>> Mean().of([1.0, 2.0])
    1.5
    """

    cells: ClassVar[str] = "mean"
    takes: ClassVar[str] = "number"
    optional_column: ClassVar[bool] = False

    def result(self, column: pa.DataType | None) -> pa.DataType:
        """Return the type of the result."""
        return pa.float64()

    def of(self, values: Sequence[Any]) -> float | None:
        """Return the result over non-null values, in the order of their events."""
        return fsum(values) / len(values) if values and not _beyond(values, LARGEST_SUM) else None


@dataclass(frozen=True, slots=True)
class Variance:
    """Variance of a sample (divisor n - 1). Null with fewer than two values.

    >>> Variance().of([1.0, 3.0])
    2.0
    """

    cells: ClassVar[str] = "variance"
    takes: ClassVar[str] = "number"
    optional_column: ClassVar[bool] = False

    def result(self, column: pa.DataType | None) -> pa.DataType:
        """Return the type of the result."""
        return pa.float64()

    def of(self, values: Sequence[Any]) -> float | None:
        """Return the result over non-null values, in the order of their events."""
        if len(values) < 2 or _beyond(values, LARGEST_SQUARE):
            return None
        mean = fsum(values) / len(values)
        return fsum((value - mean) ** 2 for value in values) / (len(values) - 1)


@dataclass(frozen=True, slots=True)
class Std:
    """Standard deviation of a sample (divisor n - 1). Null with fewer than two values.

    >>> Std().of([1.0, 3.0])
    1.4142135623730951
    """

    cells: ClassVar[str] = "std"
    takes: ClassVar[str] = "number"
    optional_column: ClassVar[bool] = False

    def result(self, column: pa.DataType | None) -> pa.DataType:
        """Return the type of the result."""
        return pa.float64()

    def of(self, values: Sequence[Any]) -> float | None:
        """Return the result over non-null values, in the order of their events."""
        variance = Variance().of(values)
        return None if variance is None else sqrt(variance)


def _beyond(values: Sequence[Any], largest: float) -> bool:
    """Say whether a real is too large for an exact sum."""
    return any(isinstance(value, float) and abs(value) > largest for value in values)
