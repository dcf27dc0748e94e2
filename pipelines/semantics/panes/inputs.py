"""Numbers the columns that a view's features read: those of the events, those derived from them, the event times."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from pipelines.semantics.aggregators.patterns import Matches
from pipelines.semantics.aggregators.sketches import ApproxCountDistinct, ApproxQuantile
from pipelines.semantics.feature import Feature
from pipelines.semantics.panes.derived import Bucketed, Derived, Joint, Ranked, Stepped, Whole


class Inputs:
    """The columns that a view's features read.

    Attributes:
        plain: Those of the events.
        kinds: Their types.
        derived: Those made of them.
        texts: The texts that features name, by column.
    """

    def __init__(self, plain: tuple[str, ...], kinds: Mapping[str, pa.DataType]) -> None:
        """Start with the events' own columns."""
        self.plain = plain
        self.kinds = [kinds[name] for name in plain]
        self.derived: list[Derived] = []
        self.texts: dict[str, list[str]] = {}

    @property
    def time(self) -> int:
        """Return the number of the column of event times, the last."""
        return len(self.plain) + len(self.derived)

    @property
    def real(self) -> list[bool]:
        """Return which columns hold reals."""
        return [*map(pa.types.is_floating, self.kinds), *(one.real for one in self.derived), False]

    def column_of(self, feature: Feature) -> int | None:
        """Return the number of the column that a feature reads; None for the event times."""
        if isinstance(feature.aggregator, Matches):
            return self._derive(self._steps(feature.aggregator))
        if feature.column is None:
            return None
        column = self.plain.index(feature.column)
        if isinstance(feature.aggregator, ApproxCountDistinct):
            return self._derive(Ranked(column))
        if isinstance(feature.aggregator, ApproxQuantile):
            return self._derive(Bucketed(column, self.real[column]))
        if not feature.others:
            return column
        others = {self.plain.index(name) for name in feature.others}
        return self._derive(Joint(column, tuple(sorted(others)), self.real[column]))

    def _steps(self, pattern: Matches) -> Stepped:
        steps = []
        for step in pattern.steps:
            column = self.plain.index(step.column)
            new = -1 if step.new is None else self.plain.index(step.new)
            if new >= 0:
                self._derive(Whole(new))
            steps.append((column, self.word_of(column, step.value), new))
        return Stepped(tuple(steps))

    def whole(self, name: str) -> int:
        """Return the number of a column that has a word for nulls."""
        return self._derive(Whole(self.plain.index(name)))

    def word_of(self, column: int, value: str) -> int:
        """Return the word of a value that a declaration names."""
        if pa.types.is_boolean(self.kinds[column]):
            return int(value == "true")
        if pa.types.is_integer(self.kinds[column]):
            return int(value)
        texts = self.texts.setdefault(self.plain[column], [])
        if value not in texts:
            texts.append(value)
        return texts.index(value)

    def _derive(self, derived: Derived) -> int:
        if derived not in self.derived:
            self.derived.append(derived)
        return len(self.plain) + self.derived.index(derived)
