"""Counts: of events or values, and of different values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa

from pipelines.semantics.aggregators.ranges import Index, expand_ranges
from pipelines.semantics.aggregators.values import Values

EXPAND = 1 << 22  # values looked at together; bounds memory to some 100 MB


@dataclass(frozen=True, slots=True)
class Count:
    """Counts the values; without a column, the events. 0 where there are none.

    >>> Count().of([3.0, 3.0])
    2
    """

    takes: ClassVar[str] = "any"
    optional_column: ClassVar[bool] = True

    def result(self, column: pa.DataType | None) -> pa.DataType:
        """Return the type of the result."""
        return pa.int64()

    def of(self, values: Sequence[Any]) -> int:
        """Return the result over non-null values, in the order of their events."""
        return len(values)

    def over(self, values: Values, starts: Index, stops: Index) -> pa.Array:
        """Return the same over each range of values."""
        return pa.array(stops - starts)


@dataclass(frozen=True, slots=True)
class CountDistinct:
    """Counts the different values. 0 where there are none.

    >>> CountDistinct().of(["a", "b", "a"])
    2
    """

    takes: ClassVar[str] = "any"
    optional_column: ClassVar[bool] = False

    def result(self, column: pa.DataType | None) -> pa.DataType:
        """Return the type of the result."""
        return pa.int64()

    def of(self, values: Sequence[Any]) -> int:
        """Return the result over non-null values, in the order of their events."""
        return len(set(values))

    def over(self, values: Values, starts: Index, stops: Index) -> pa.Array:
        """Return the same over each range: a value counts where its last occurrence lies before the range."""
        codes = values.codes
        order = np.argsort(codes, kind="stable")
        previous = np.full(len(codes), -1, np.int64)
        same = codes[order][1:] == codes[order][:-1]
        previous[order[1:][same]] = order[:-1][same]
        lengths = stops - starts
        out = np.zeros(len(starts), np.int64)
        ends = np.cumsum(lengths)
        begin = 0
        while begin < len(starts):
            done = ends[begin - 1] if begin else 0
            stop = max(begin + 1, int(np.searchsorted(ends, done + EXPAND, side="right")))
            part = slice(begin, stop)
            at = expand_ranges(starts[part], lengths[part])
            owner = np.repeat(np.arange(stop - begin), lengths[part])
            new = previous[at] < np.repeat(starts[part], lengths[part])
            out[part] = np.bincount(owner[new], minlength=stop - begin)
            begin = stop
        return pa.array(out)
