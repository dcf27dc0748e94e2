"""One feature of a view: a function, a column, a window, perhaps a session."""

from __future__ import annotations

from dataclasses import dataclass

from pipelines.semantics.aggregators.table import Aggregator
from pipelines.semantics.windows import Window


@dataclass(frozen=True, slots=True)
class Feature:
    """What one output column of a view means.

    Attributes:
        name: The output column.
        aggregator: The function.
        column: The input column; None where the function works on the events.
        window: Which events count.
        gap: Microseconds that end a session; None where the window is not cut into sessions (rule 11).
        function: The function as it was declared, such as `last_n(10)`.
    """

    name: str
    aggregator: Aggregator
    column: str | None
    window: Window
    gap: int | None = None
    function: str = ""

    @property
    def others(self) -> tuple[str, ...]:
        """Return the columns, besides its own, that must have values where an event counts."""
        others: tuple[str, ...] = getattr(self.aggregator, "others", ())
        return others

    @property
    def inputs(self) -> tuple[str, ...]:
        """Return the columns that it reads."""
        own = () if self.column is None else (self.column,)
        return (*own, *self.others)
