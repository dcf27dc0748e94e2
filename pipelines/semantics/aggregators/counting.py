"""Counts: of events or values, of different values, and of one value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import pyarrow as pa

from pipelines.semantics.aggregators.arguments import FunctionError, refuse_more, unquoted


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


@dataclass(frozen=True, slots=True)
class CountBy:
    """Counts the events that have one value in the column: a text, a whole number, `true` or `false`. 0 where there are none.

    >>> CountBy("a").of(["a", "b", "a"])
    2
    """

    value: str
    cells: ClassVar[str] = "count_by"
    takes: ClassVar[str] = "category"
    optional_column: ClassVar[bool] = False

    @classmethod
    def parse(cls, text: str, arguments: list[str]) -> CountBy:
        """Return the function that a declaration writes."""
        if not arguments:
            raise FunctionError(f"{text!r} needs the value to count; write such as count_by(shop) or count_by('a, b').")
        refuse_more(text, arguments, 1, "count_by('a, b'), with quotes around a value that has a comma")
        return cls(unquoted(arguments[0]))

    def result(self, column: pa.DataType | None) -> pa.DataType:
        """Return the type of the result."""
        return pa.int64()

    def of(self, values: Sequence[Any]) -> int:
        """Return the result over non-null values, in the order of their events."""
        return sum(as_written(value) == self.value for value in values)


def as_written(value: Any) -> str:
    """Return a value of a category as a declaration writes it.

    >>> as_written(True), as_written(-1), as_written("a")
    ('true', '-1', 'a')
    """
    return str(value).lower() if isinstance(value, bool) else str(value)
