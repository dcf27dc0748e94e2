"""Sum, mean and standard deviation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum, sqrt
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from pipelines.semantics.aggregators.ranges import Index, State, fold_ranges
from pipelines.semantics.aggregators.values import Values


@dataclass(frozen=True, slots=True)
class Sum:
    """Adds the values. 0 where there are none. Integers stay integers.

    >>> Sum().of([0.1] * 10)
    1.0
    """

    takes: ClassVar[str] = "number"
    optional_column: ClassVar[bool] = False

    def result(self, column: pa.DataType | None) -> pa.DataType:
        """Return the type of the result."""
        return pa.float64() if column is not None and pa.types.is_floating(column) else pa.int64()

    def of(self, values: Sequence[Any]) -> int | float:
        """Return the result over non-null values, in the order of their events."""
        return fsum(values) if any(isinstance(value, float) for value in values) else sum(values)

    def over(self, values: Values, starts: Index, stops: Index) -> pa.Array:
        """Return the same over each range of values."""
        return pa.array(_sums(values, starts, stops))


@dataclass(frozen=True, slots=True)
class Mean:
    """Averages the values. Null where there are none.

    >>> Mean().of([1.0, 2.0])
    1.5
    """

    takes: ClassVar[str] = "number"
    optional_column: ClassVar[bool] = False

    def result(self, column: pa.DataType | None) -> pa.DataType:
        """Return the type of the result."""
        return pa.float64()

    def of(self, values: Sequence[Any]) -> float | None:
        """Return the result over non-null values, in the order of their events."""
        return fsum(values) / len(values) if values else None

    def over(self, values: Values, starts: Index, stops: Index) -> pa.Array:
        """Return the same over each range of values."""
        count = stops - starts
        total = _sums(values, starts, stops)
        return pa.array(total / np.maximum(count, 1), mask=count == 0)


@dataclass(frozen=True, slots=True)
class Std:
    """Standard deviation of a sample (divisor n - 1). Null with fewer than two values.

    Merges by Chan, Golub and LeVeque, *Updating Formulae and a Pairwise Algorithm for Computing Sample Variances*
    (1979), so that no large sums are subtracted.

    >>> Std().of([1.0, 3.0])
    1.4142135623730951
    """

    takes: ClassVar[str] = "number"
    optional_column: ClassVar[bool] = False

    def result(self, column: pa.DataType | None) -> pa.DataType:
        """Return the type of the result."""
        return pa.float64()

    def of(self, values: Sequence[Any]) -> float | None:
        """Return the result over non-null values, in the order of their events."""
        if len(values) < 2:
            return None
        mean = fsum(values) / len(values)
        return sqrt(fsum((value - mean) ** 2 for value in values) / (len(values) - 1))

    def over(self, values: Values, starts: Index, stops: Index) -> pa.Array:
        """Return the same over each range of values."""
        numbers = values.numbers.astype(np.float64)
        count = stops - starts
        enough = count >= 2
        leaves = (np.ones(len(numbers)), numbers, np.zeros(len(numbers)))
        out = np.zeros(len(starts))
        with np.errstate(over="ignore", invalid="ignore"):  # nodes of the tree that no range uses may overflow
            _, _, squares = fold_ranges(leaves, _merge_moments, starts[enough], stops[enough])
        out[enough] = np.sqrt(np.maximum(squares, 0.0) / (count[enough] - 1))
        return pa.array(out, mask=~enough)


def _sums(values: Values, starts: Index, stops: Index) -> np.ndarray:
    (total,) = fold_ranges((values.numbers,), lambda a, b: (a[0] + b[0],), starts, stops)
    return total


def _merge_moments(a: State, b: State) -> State:
    """Merge (count, mean, sum of squared distances from the mean)."""
    count_a, mean_a, squares_a = a
    count_b, mean_b, squares_b = b
    count = count_a + count_b
    delta = mean_b - mean_a
    share = count_b / count
    return count, mean_a + delta * share, squares_a + squares_b + delta * delta * count_a * share
