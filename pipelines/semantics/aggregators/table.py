"""All aggregation functions by the name a declaration uses. A new one is one class and one entry here."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Protocol

import pyarrow as pa

from contract.durations import parse_duration
from pipelines.semantics.aggregators.counting import Count, CountDistinct
from pipelines.semantics.aggregators.extremes import Max, Min
from pipelines.semantics.aggregators.moments import Mean, Std, Sum
from pipelines.semantics.aggregators.positions import Duration, First, Last, LastN


class Aggregator(Protocol):
    """What every engine needs of a function.

    Attributes:
        cells: What panes keep for it, by its plain name (`pipelines/semantics/panes/program.py`).
        takes: What the column must hold: `any`, `number` or `time`.
        optional_column: Whether the function may go without a column; it then works on the events themselves.
    """

    cells: ClassVar[str]
    takes: ClassVar[str]
    optional_column: ClassVar[bool]

    def result(self, column: pa.DataType | None) -> pa.DataType:
        """Return the type of the result over a column of this type."""

    def of(self, values: Sequence[Any]) -> Any:
        """Return the result over non-null values in order: the obvious meaning, which the reference uses."""


PLAIN: dict[str, Callable[[], Aggregator]] = {
    "count": Count,
    "count_distinct": CountDistinct,
    "sum": Sum,
    "mean": Mean,
    "std": Std,
    "min": Min,
    "max": Max,
    "first": First,
    "last": Last,
    "duration": Duration,
}

NAMES = (*PLAIN, "last_n(N)", *(f"session_{name}(GAP)" for name in PLAIN))


class FunctionError(ValueError):
    """A function that does not exist, or whose argument is wrong."""


def parse_function(text: str) -> tuple[Aggregator, int | None]:
    """Return the aggregator that a declaration names, and the gap of its session in microseconds, if it has one.

    `last_n(10)` takes its number in brackets; `session_sum(30min)` is `sum` over the running session whose events are
    less than the gap apart.

    Raises:
        FunctionError: The name is unknown or the argument is missing, wrong or not wanted.

    >>> parse_function("session_count(30min)")
    (Count(), 1800000000)
    """
    found = re.fullmatch(r"\s*(\w+)\s*(?:\(\s*([^()]*?)\s*\))?\s*", text)
    name, argument = (found[1], found[2]) if found else (text, None)
    if name == "last_n":
        if argument is None or not argument.isdigit() or int(argument) < 1:
            raise FunctionError(f"{text!r} needs how many values to keep; write such as last_n(10).")
        return LastN(int(argument)), None
    if name.startswith("session_") and name[len("session_") :] in PLAIN:
        try:
            gap = parse_duration(argument or "")
        except ValueError:
            gap = 0
        if gap <= 0:
            raise FunctionError(f"{text!r} needs the gap that ends a session; write such as {name}(30min).")
        return PLAIN[name[len("session_") :]](), gap
    if name not in PLAIN:
        raise FunctionError(f"unknown function {text!r}; use one of {', '.join(NAMES)}.")
    if argument is not None:
        raise FunctionError(f"{text!r} takes nothing in brackets; write {name}.")
    return PLAIN[name](), None
