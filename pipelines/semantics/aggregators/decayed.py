"""Sums and counts in which an event weighs half as much with every half-life that it is older than the latest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum
from typing import Any, ClassVar

import pyarrow as pa

from contract.durations import parse_duration
from pipelines.semantics.aggregators.arguments import FunctionError, refuse_more
from pipelines.semantics.panes.limits import LARGEST_SUM

MOST_HALF_LIVES = 64
"""How many half-lives a window may be long: what is older weighs nothing in a float, but would have to be kept."""


@dataclass(frozen=True, slots=True)
class DecayedSum:
    """Adds the values, each times 2 ** -(how many half-lives it is older than the latest). 0.0 where there are none.

    >>> DecayedSum(60_000_000).of([(0, 8.0), (60_000_000, 1.0)])
    5.0
    """

    half_life: int
    cells: ClassVar[str] = "decayed_sum"
    takes: ClassVar[str] = "number"
    optional_column: ClassVar[bool] = False
    timed: ClassVar[bool] = True

    @classmethod
    def parse(cls, text: str, arguments: list[str]) -> DecayedSum:
        """Return the function that a declaration writes."""
        return cls(_half_life(text, arguments, "decayed_sum(6h)"))

    def result(self, column: pa.DataType | None) -> pa.DataType:
        """Return the type of the result."""
        return pa.float64()

    def of(self, values: Sequence[Any]) -> float | None:
        """Return the result over the (time, value) of all events, times in microseconds, None for a null."""
        if any(isinstance(value, float) and abs(value) > LARGEST_SUM for _, value in values):
            return None
        ages = [(values[-1][0] - ts, value) for ts, value in values if value is not None]
        return fsum(value * 2.0 ** -(age / self.half_life) for age, value in ages)


@dataclass(frozen=True, slots=True)
class DecayedCount:
    """Counts the values, or the events, each times 2 ** -(how many half-lives it is older than the latest event).

    0.0 where there are none.

    >>> DecayedCount(60_000_000).of([(0, "a"), (60_000_000, "b")])
    1.5
    """

    half_life: int
    cells: ClassVar[str] = "decayed_count"
    takes: ClassVar[str] = "any"
    optional_column: ClassVar[bool] = True
    timed: ClassVar[bool] = True

    @classmethod
    def parse(cls, text: str, arguments: list[str]) -> DecayedCount:
        """Return the function that a declaration writes."""
        return cls(_half_life(text, arguments, "decayed_count(6h)"))

    def result(self, column: pa.DataType | None) -> pa.DataType:
        """Return the type of the result."""
        return pa.float64()

    def of(self, values: Sequence[Any]) -> float:
        """Return the result over the (time, value) of all events, times in microseconds, None for a null."""
        return fsum(2.0 ** -((values[-1][0] - ts) / self.half_life) for ts, value in values if value is not None)


def _half_life(text: str, arguments: list[str], example: str) -> int:
    refuse_more(text, arguments, 1, example)
    try:
        half_life = parse_duration(arguments[0] if arguments else "")
    except ValueError:
        half_life = 0
    if half_life <= 0:
        raise FunctionError(f"{text!r} needs the time after which a value weighs half; write such as {example}.")
    return half_life
