"""All aggregation functions by the name a declaration uses. A new one is one class and one entry here."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Protocol

import pyarrow as pa

from contract.durations import parse_duration
from pipelines.semantics.aggregators.arguments import FunctionError, split_arguments
from pipelines.semantics.aggregators.counting import Count, CountBy, CountDistinct
from pipelines.semantics.aggregators.decayed import DecayedCount, DecayedSum
from pipelines.semantics.aggregators.extremes import Max, Min
from pipelines.semantics.aggregators.flags import AllTrue, AnyTrue
from pipelines.semantics.aggregators.frequent import TopK
from pipelines.semantics.aggregators.moments import Mean, Std, Sum, Variance
from pipelines.semantics.aggregators.patterns import Matches
from pipelines.semantics.aggregators.positions import Duration, First, FirstN, Last, LastN
from pipelines.semantics.aggregators.sketches import ApproxCountDistinct, ApproxQuantile


class Aggregator(Protocol):
    """What every engine needs of a function.

    Attributes:
        cells: What panes keep for it, by its plain name (`pipelines/semantics/panes/program.py`).
        takes: What the column must hold: `any`, `number`, `boolean`, `category` (a text, a whole
            number or a boolean) or `time`.
        optional_column: Whether the function may go without a column; it then works on the events themselves.
    """

    cells: ClassVar[str]
    takes: ClassVar[str]
    optional_column: ClassVar[bool]

    def result(self, column: pa.DataType | None) -> pa.DataType:
        """Return the type of the result over a column of this type."""

    def of(self, values: Sequence[Any]) -> Any:
        """Return the result over non-null values in order: the obvious meaning, which the reference uses.

        A function with `timed = True` is given pairs of a time in microseconds and a value, None for a null, of all events.
        """


PLAIN: dict[str, Callable[[], Aggregator]] = {
    "count": Count,
    "count_distinct": CountDistinct,
    "sum": Sum,
    "mean": Mean,
    "variance": Variance,
    "std": Std,
    "min": Min,
    "max": Max,
    "any": AnyTrue,
    "all": AllTrue,
    "first": First,
    "last": Last,
    "duration": Duration,
    "approx_count_distinct": ApproxCountDistinct,
}

ARGUED: dict[str, tuple[str, Callable[[str, list[str]], Aggregator]]] = {
    "count_by": ("VALUE", CountBy.parse),
    "first_n": ("N", FirstN.parse),
    "last_n": ("N", LastN.parse),
    "top_k": ("N", TopK.parse),
    "approx_quantile": ("Q", ApproxQuantile.parse),
    "decayed_sum": ("HALF_LIFE", DecayedSum.parse),
    "decayed_count": ("HALF_LIFE", DecayedCount.parse),
    "matches": ("PATTERN", Matches.parse),
}
"""Functions with something in brackets: what it is called, and who reads it."""

ONLY_WINDOWS = {
    "approx_count_distinct": "a session is short; use session_count_distinct",
    "top_k": "use top_k over a window, or session_last_n of the column and count on request",
    "matches": "a pattern has times of its own, write within 30min behind its steps",
    "decayed_sum": "a session is short; use session_sum",
    "decayed_count": "a session is short; use session_count",
    "approx_quantile": "use session_mean or session_max, or approx_quantile over a window",
}
"""Functions without a form for sessions, and what to use instead."""

NAMES = (
    *PLAIN,
    *(f"{name}({what})" for name, (what, _) in ARGUED.items()),
    *(f"session_{name}(GAP)" for name in PLAIN if name not in ONLY_WINDOWS),
    *(f"session_{name}(GAP, {what})" for name, (what, _) in ARGUED.items() if name not in ONLY_WINDOWS),
)


def parse_function(text: str) -> tuple[Aggregator, int | None]:
    """Return the aggregator that a declaration names, and the gap of its session in microseconds, if it has one.

    `last_n(10)` takes its number in brackets; `session_sum(30min)` is `sum` over the running session whose events are
    less than the gap apart, `session_last_n(30min, 10)` is `last_n(10)` over it.

    Raises:
        FunctionError: The name is unknown or the argument is missing, wrong or not wanted.

    >>> parse_function("session_count(30min)")
    (Count(), 1800000000)
    """
    found = re.fullmatch(r"\s*(\w+)\s*(?:\((.*)\))?\s*", text, re.DOTALL)
    name, inside = (found[1], found[2]) if found else (text, None)
    arguments = split_arguments(inside or "")
    plain = name.removeprefix("session_")
    if plain not in PLAIN and plain not in ARGUED:
        known = ", ".join(name for name in NAMES if not name.startswith("session_"))
        raise FunctionError(f"unknown function {text!r}; use one of {known}, or that of a session: session_count(GAP).")
    gap = None
    if plain != name:
        if plain in ONLY_WINDOWS:
            raise FunctionError(f"{text!r}: there is no {name}; {ONLY_WINDOWS[plain]}.")
        gap, arguments = _gap(text, name, arguments), arguments[1:]
    if plain in ARGUED:
        return ARGUED[plain][1](text, arguments), gap
    if inside is not None and (gap is None or arguments):
        more = f"{name}({inside.split(',')[0].strip()})" if gap is not None else name
        raise FunctionError(f"{text!r} takes nothing {'more ' if gap is not None else ''}in brackets; write {more}.")
    return PLAIN[plain](), gap


def _gap(text: str, name: str, arguments: list[str]) -> int:
    try:
        gap = parse_duration(arguments[0] if arguments else "")
    except ValueError:
        gap = 0
    if gap <= 0:
        more = f", {ARGUED[name.removeprefix('session_')][0]}" if name.removeprefix("session_") in ARGUED else ""
        raise FunctionError(f"{text!r} needs the gap that ends a session; write such as {name}(30min{more}).")
    return gap
