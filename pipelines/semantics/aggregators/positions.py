"""Values by their place in time: first, last, the last n, and the time between the first and the last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from pipelines.semantics.aggregators.ranges import Index, expand_ranges
from pipelines.semantics.aggregators.values import Values


@dataclass(frozen=True, slots=True)
class First:
    """The earliest value, by (event time, event id). Null where there are none.

    >>> First().of(["a", "b"])
    'a'
    """

    takes: ClassVar[str] = "any"
    optional_column: ClassVar[bool] = False

    def result(self, column: pa.DataType | None) -> pa.DataType:
        """Return the type of the result."""
        assert column is not None
        return column

    def of(self, values: Sequence[Any]) -> Any:
        """Return the result over non-null values, in the order of their events."""
        return values[0] if values else None

    def over(self, values: Values, starts: Index, stops: Index) -> pa.Array:
        """Return the same over each range of values."""
        return values.arrow.take(pa.array(starts, mask=starts == stops))


@dataclass(frozen=True, slots=True)
class Last:
    """The latest value, by (event time, event id). Null where there are none.

    >>> Last().of(["a", "b"])
    'b'
    """

    takes: ClassVar[str] = "any"
    optional_column: ClassVar[bool] = False

    def result(self, column: pa.DataType | None) -> pa.DataType:
        """Return the type of the result."""
        assert column is not None
        return column

    def of(self, values: Sequence[Any]) -> Any:
        """Return the result over non-null values, in the order of their events."""
        return values[-1] if values else None

    def over(self, values: Values, starts: Index, stops: Index) -> pa.Array:
        """Return the same over each range of values."""
        return values.arrow.take(pa.array(stops - 1, mask=starts == stops))


@dataclass(frozen=True, slots=True)
class LastN:
    """The latest n values, oldest first. An empty list where there are none.

    >>> LastN(2).of([1, 2, 3])
    [2, 3]
    """

    n: int
    takes: ClassVar[str] = "any"
    optional_column: ClassVar[bool] = False

    def result(self, column: pa.DataType | None) -> pa.DataType:
        """Return the type of the result."""
        assert column is not None
        return pa.list_(column)

    def of(self, values: Sequence[Any]) -> list[Any]:
        """Return the result over non-null values, in the order of their events."""
        return list(values[-self.n :])

    def over(self, values: Values, starts: Index, stops: Index) -> pa.Array:
        """Return the same over each range of values."""
        first = np.maximum(starts, stops - self.n)
        lengths = stops - first
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
        return pa.ListArray.from_arrays(pa.array(offsets), values.arrow.take(pa.array(expand_ranges(first, lengths))))


@dataclass(frozen=True, slots=True)
class Duration:
    """Seconds from the first to the last value of a time column; 0.0 for one value, null where there are none.

    >>> from datetime import datetime
    >>> Duration().of([datetime(2026, 1, 1), datetime(2026, 1, 2)])
    86400.0
    """

    takes: ClassVar[str] = "time"
    optional_column: ClassVar[bool] = True

    def result(self, column: pa.DataType | None) -> pa.DataType:
        """Return the type of the result."""
        return pa.float64()

    def of(self, values: Sequence[Any]) -> float | None:
        """Return the result over non-null values, in the order of their events."""
        return (values[-1] - values[0]).total_seconds() if values else None

    def over(self, values: Values, starts: Index, stops: Index) -> pa.Array:
        """Return the same over each range of values."""
        some = starts < stops
        out = np.zeros(len(starts))
        out[some] = (values.numbers[stops[some] - 1] - values.numbers[starts[some]]) / 1e6
        return pa.array(out, mask=~some)
