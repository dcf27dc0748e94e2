"""The most frequent values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import pyarrow as pa

from pipelines.semantics.aggregators.arguments import read_number, refuse_more


@dataclass(frozen=True, slots=True)
class TopK:
    """The n most frequent values, the most frequent first; of equally frequent ones the one that was there last comes first.

    An empty list where there are none.

    >>> TopK(2).of(["a", "b", "c", "b", "a"])
    ['a', 'b']
    """

    n: int
    cells: ClassVar[str] = "top_k"
    takes: ClassVar[str] = "any"
    optional_column: ClassVar[bool] = False

    @classmethod
    def parse(cls, text: str, arguments: list[str]) -> TopK:
        """Return the function that a declaration writes."""
        refuse_more(text, arguments, 1, "top_k(3)")
        return cls(read_number(text, arguments, "top_k(3)"))

    def result(self, column: pa.DataType | None) -> pa.DataType:
        """Return the type of the result."""
        assert column is not None
        return pa.list_(column)

    def of(self, values: Sequence[Any]) -> list[Any]:
        """Return the result over non-null values, in the order of their events."""
        times = Counter(values)
        there_last = {value: place for place, value in enumerate(values)}
        return sorted(times, key=lambda value: (-times[value], -there_last[value]))[: self.n]
