"""Whether any value of a column of booleans is true, and whether all are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import pyarrow as pa


@dataclass(frozen=True, slots=True)
class AnyTrue:
    """Says whether a value is true. Null where there are none.

    >>> AnyTrue().of([False, True])
    True
    """

    cells: ClassVar[str] = "any"
    takes: ClassVar[str] = "boolean"
    optional_column: ClassVar[bool] = False

    def result(self, column: pa.DataType | None) -> pa.DataType:
        """Return the type of the result."""
        return pa.bool_()

    def of(self, values: Sequence[Any]) -> bool | None:
        """Return the result over non-null values, in the order of their events."""
        return any(values) if values else None


@dataclass(frozen=True, slots=True)
class AllTrue:
    """Says whether every value is true. Null where there are none.

    >>> AllTrue().of([False, True])
    False
    """

    cells: ClassVar[str] = "all"
    takes: ClassVar[str] = "boolean"
    optional_column: ClassVar[bool] = False

    def result(self, column: pa.DataType | None) -> pa.DataType:
        """Return the type of the result."""
        return pa.bool_()

    def of(self, values: Sequence[Any]) -> bool | None:
        """Return the result over non-null values, in the order of their events."""
        return all(values) if values else None
