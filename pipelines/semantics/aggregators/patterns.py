"""Patterns over an entity's sequence: `matches(small then 3 other new(shop) within 10min)`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import pyarrow as pa

from contract.durations import parse_duration
from pipelines.semantics.aggregators.arguments import FunctionError, unquoted
from pipelines.semantics.aggregators.counting import as_written

MOST_STEPS = 20
EXAMPLE = "matches(small then 3 other new(shop) within 10min)"
_STEP = re.compile(
    r"""(?:(?P<times>\d+)\s+)?(?P<column>[^\W\d]\w*)(?:\s*=\s*(?P<value>'[^']*'|"[^"]*"|[^\s()'"]+))?"""
    r"""(?:\s+new\(\s*(?P<new>\w+)\s*\))?(?:\s+within\s+(?P<within>\w+))?"""
)


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a pattern.

    Attributes:
        times: How many events it takes.
        column: The column that says which.
        value: The value that it must have there, as a declaration writes it.
        new: The column whose value must be one that no earlier event has; None for none.
        within: Microseconds in which its events must come after the step before; 0 for any.
    """

    times: int
    column: str
    value: str = "true"
    new: str | None = None
    within: int = 0


@dataclass(frozen=True, slots=True)
class Matches:
    """Counts how often a pattern is completed by the latest 60 events of the window. 0 where there are none.

    A match begins at the first event that fits the first step; then each step takes the next events that fit it, and passes
    over others. If a step's time is over, the match is given up, and the next event may begin one. Matches do not overlap.

    >>> test_then_spend = Matches.parse("matches(small then large within 10min)", ["small then large within 10min"])
    >>> small, large = {"small": True, "large": False}, {"small": False, "large": True}
    >>> minute = 60_000_000
    >>> test_then_spend.of([(0, small), (4 * minute, large), (20 * minute, small), (31 * minute, large)])
    1
    """

    steps: tuple[Step, ...]
    n: ClassVar[int] = 60
    cells: ClassVar[str] = "matches"
    takes: ClassVar[str] = "any"
    optional_column: ClassVar[bool] = True
    timed: ClassVar[bool] = True

    @classmethod
    def parse(cls, text: str, arguments: list[str]) -> Matches:
        """Return the function that a declaration writes."""
        parts = re.split(r"\s+then\s+", ", ".join(arguments).strip())
        if not arguments or len(parts) > MOST_STEPS:
            raise FunctionError(
                f"{text!r} needs 1 to {MOST_STEPS} steps with `then` between them; write such as {EXAMPLE}."
            )
        return cls(tuple(_read_step(text, part) for part in parts))

    @property
    def others(self) -> tuple[str, ...]:
        """Return the columns that the steps name."""
        named = [name for step in self.steps for name in (step.column, step.new)]
        return tuple(dict.fromkeys(name for name in named if name is not None))

    def result(self, column: pa.DataType | None) -> pa.DataType:
        """Return the type of the result."""
        return pa.int64()

    def of(self, values: Sequence[tuple[int, Mapping[str, Any]]]) -> int:
        """Return the result over the (time, columns) of all events, times in microseconds."""
        events, count, begin = values[-self.n :], 0, 0
        while begin < len(events):
            end = self._end(events, begin)
            count, begin = (count, begin + 1) if end is None else (count + 1, end + 1)
        return count

    def _end(self, events: Sequence[tuple[int, Mapping[str, Any]]], begin: int) -> int | None:
        """Return which event completes a match that begins at one; None where there is no such match."""
        step, done, since = 0, 0, events[begin][0]
        for number in range(begin, len(events)):
            wanted = self.steps[step]
            if wanted.within and events[number][0] - since > wanted.within:
                return None
            if _fits(events, number, wanted):
                done += 1
                if done == wanted.times:
                    step, done, since = step + 1, 0, events[number][0]
                    if step == len(self.steps):
                        return number
            elif number == begin:
                return None
        return None


def _fits(events: Sequence[tuple[int, Mapping[str, Any]]], number: int, step: Step) -> bool:
    values = events[number][1]
    if values[step.column] is None or as_written(values[step.column]) != step.value:
        return False
    if step.new is None:
        return True
    return values[step.new] is not None and all(values[step.new] != other[step.new] for _, other in events[:number])


def _read_step(text: str, part: str) -> Step:
    found = _STEP.fullmatch(part.strip())
    if found is None or found["times"] == "0":
        raise FunctionError(
            f"{text!r}: the step {part.strip()!r} is not [times] column[=value] [new(column)] [within time]; write such as"
            f" {EXAMPLE}."
        )
    try:
        within = parse_duration(found["within"]) if found["within"] else 0
    except ValueError as error:
        raise FunctionError(f"{text!r}: {error}") from None
    value = "true" if found["value"] is None else unquoted(found["value"])
    return Step(int(found["times"] or 1), found["column"], value, found["new"], within)
