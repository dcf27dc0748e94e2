"""Smallest and largest value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import pyarrow as pa


@dataclass(frozen=True, slots=True)
class Min:
    """The smallest value. Null where there are none.

    >>> Min().of([2, 1])
    1
    """

    cells: ClassVar[str] = "min"
    takes: ClassVar[str] = "number"
    optional_column: ClassVar[bool] = False

    def result(self, column: pa.DataType | None) -> pa.DataType:
        """Return the type of the result."""
        return pa.float64() if column is not None and pa.types.is_floating(column) else pa.int64()

    def of(self, values: Sequence[Any]) -> Any:
        """Return the result over non-null values, in the order of their events."""
        return min(values, default=None)


@dataclass(frozen=True, slots=True)
class Max:
    """The largest value. Null where there are none.

    >>> Max().of([2, 1])
    2
    """

    cells: ClassVar[str] = "max"
    takes: ClassVar[str] = "number"
    optional_column: ClassVar[bool] = False

    def result(self, column: pa.DataType | None) -> pa.DataType:
        """Return the type of the result."""
        return pa.float64() if column is not None and pa.types.is_floating(column) else pa.int64()

    def of(self, values: Sequence[Any]) -> Any:
        """Return the result over non-null values, in the order of their events."""
        return max(values, default=None)
