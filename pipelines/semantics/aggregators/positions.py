"""Values by their place in time: first, last, the first and last n, and the time between the first and the last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import pyarrow as pa

from pipelines.semantics.aggregators.arguments import read_number, refuse_more


@dataclass(frozen=True, slots=True)
class First:
    """The earliest value, by (event time, event id). Null where there are none.

    >>> First().of(["a", "b"])
    'a'
    """

    cells: ClassVar[str] = "first"
    takes: ClassVar[str] = "any"
    optional_column: ClassVar[bool] = False

    def result(self, column: pa.DataType | None) -> pa.DataType:
        """Return the type of the result."""
        assert column is not None
        return column

    def of(self, values: Sequence[Any]) -> Any:
        """Return the result over non-null values, in the order of their events."""
        return values[0] if values else None


@dataclass(frozen=True, slots=True)
class Last:
    """The latest value, by (event time, event id). Null where there are none.

    >>> Last().of(["a", "b"])
    'b'
    """

    cells: ClassVar[str] = "last"
    takes: ClassVar[str] = "any"
    optional_column: ClassVar[bool] = False

    def result(self, column: pa.DataType | None) -> pa.DataType:
        """Return the type of the result."""
        assert column is not None
        return column

    def of(self, values: Sequence[Any]) -> Any:
        """Return the result over non-null values, in the order of their events."""
        return values[-1] if values else None


@dataclass(frozen=True, slots=True)
class FirstN:
    """The earliest n values, oldest first. An empty list where there are none.

    >>> FirstN(2).of([1, 2, 3])
    [1, 2]
    """

    n: int
    cells: ClassVar[str] = "first_n"
    takes: ClassVar[str] = "any"
    optional_column: ClassVar[bool] = False

    @classmethod
    def parse(cls, text: str, arguments: list[str]) -> FirstN:
        """Return the function that a declaration writes."""
        refuse_more(text, arguments, 1, "first_n(10)")
        return cls(read_number(text, arguments, "first_n(10)"))

    def result(self, column: pa.DataType | None) -> pa.DataType:
        """Return the type of the result."""
        assert column is not None
        return pa.list_(column)

    def of(self, values: Sequence[Any]) -> list[Any]:
        """Return the result over non-null values, in the order of their events."""
        return list(values[: self.n])


@dataclass(frozen=True, slots=True)
class LastN:
    """The latest n values, oldest first, of events at which the `others` have values too. An empty list where there are none.

    >>> LastN(2).of([1, 2, 3])
    [2, 3]
    """

    n: int
    others: tuple[str, ...] = ()
    cells: ClassVar[str] = "last_n"
    takes: ClassVar[str] = "any"
    optional_column: ClassVar[bool] = False

    @classmethod
    def parse(cls, text: str, arguments: list[str]) -> LastN:
        """Return the function that a declaration writes."""
        return cls(read_number(text, arguments, "last_n(10)"), tuple(arguments[1:]))

    def result(self, column: pa.DataType | None) -> pa.DataType:
        """Return the type of the result."""
        assert column is not None
        return pa.list_(column)

    def of(self, values: Sequence[Any]) -> list[Any]:
        """Return the result over non-null values, in the order of their events."""
        return list(values[-self.n :])


@dataclass(frozen=True, slots=True)
class Duration:
    """Seconds from the first to the last value of a time column; 0.0 for one value, null where there are none.

    >>> from datetime import datetime
    >>> Duration().of([datetime(2026, 1, 1), datetime(2026, 1, 2)])
    86400.0
    """

    cells: ClassVar[str] = "duration"
    takes: ClassVar[str] = "time"
    optional_column: ClassVar[bool] = True

    def result(self, column: pa.DataType | None) -> pa.DataType:
        """Return the type of the result."""
        return pa.float64()

    def of(self, values: Sequence[Any]) -> float | None:
        """Return the result over non-null values, in the order of their events."""
        return (values[-1] - values[0]).total_seconds() if values else None
