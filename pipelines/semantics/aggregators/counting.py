"""Counts: of events or values, and of different values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Count:
    """Counts the values; without a column, the events. 0 where there are none.

    >>> Count().of([3.0, 3.0])
    2
    """

    cells: ClassVar[str] = "count"
    takes: ClassVar[str] = "any"
    optional_column: ClassVar[bool] = True

    def result(self, column: pa.DataType | None) -> pa.DataType:
        """Return the type of the result."""
        return pa.int64()

    def of(self, values: Sequence[Any]) -> int:
        """Return the result over non-null values, in the order of their events."""
        return len(values)


@dataclass(frozen=True, slots=True)
class CountDistinct:
    """Counts the different values. 0 where there are none.

    >>> CountDistinct().of(["a", "b", "a"])
    2
    """

    cells: ClassVar[str] = "count_distinct"
    takes: ClassVar[str] = "any"
    optional_column: ClassVar[bool] = False

    def result(self, column: pa.DataType | None) -> pa.DataType:
        """Return the type of the result."""
        return pa.int64()

    def of(self, values: Sequence[Any]) -> int:
        """Return the result over non-null values, in the order of their events."""
        return len(set(values))
