"""Adds up what one expectation found, batch after batch, into its finding."""
# mypy: disable-error-code="attr-defined"
# Great Expectations exports its expectations without an __all__, which strict mode takes for private.

from __future__ import annotations

from collections.abc import Container, Sequence

import pandas as pd

from validation.gates.evaluation import Evaluated, describe_rule, name_columns
from validation.gates.gx import (
    ColumnMapExpectation,
    ColumnPairMapExpectation,
    Expectation,
    MulticolumnMapExpectation,
    gxe,
)
from validation.gates.report import Finding, Row

SHOWN = 5
"""Offending rows that a finding shows."""

_BY_ROW = (ColumnMapExpectation, ColumnPairMapExpectation, MulticolumnMapExpectation)
# Said of a row, but true or not only in the light of the others.
_ACROSS_ROWS = (
    gxe.ExpectColumnValuesToBeUnique,
    gxe.ExpectCompoundColumnsToBeUnique,
    gxe.ExpectColumnValuesToBeIncreasing,
    gxe.ExpectColumnValuesToBeDecreasing,
    gxe.ExpectColumnValueZScoresToBeLessThan,
)
_OF_SCHEMA = (
    gxe.ExpectColumnToExist,
    gxe.ExpectTableColumnsToMatchSet,
    gxe.ExpectTableColumnsToMatchOrderedList,
    gxe.ExpectTableColumnCountToEqual,
    gxe.ExpectTableColumnCountToBeBetween,
)


class Tally:
    """Collects the results of one expectation; `conclude` says how it went."""

    def __init__(self, expectation: Expectation, identify: Sequence[str]) -> None:
        """Start empty; rows will be shown with the columns ``identify`` and those the expectation is about."""
        self.expectation = expectation
        self.columns = name_columns(expectation)
        self.shown = tuple(dict.fromkeys((*identify, *self.columns)))
        self.of_schema = isinstance(expectation, _OF_SCHEMA)
        by_row = isinstance(expectation, _BY_ROW) and not isinstance(expectation, _ACROSS_ROWS)
        self.by_batch = self.of_schema or by_row
        self.missing: set[str] = set()
        self._met = True
        self._considered = 0
        self._unexpected: int | None = None
        self._rows: list[Row] = []
        self._observed: str | None = None
        self._problem: str | None = None

    def can_run_on(self, frame: pd.DataFrame) -> bool:
        """Say whether a frame has the columns needed, and remember those it has not."""
        return self.note_missing(frame.columns) or self.of_schema

    def note_missing(self, columns: Container[str]) -> bool:
        """Remember which of the columns needed are not among these, and say whether all are."""
        absent = {column for column in self.columns if column not in columns}
        self.missing |= absent
        return not absent

    def add(self, result: Evaluated, rows: Sequence[Row]) -> None:
        """Add the result of one batch and the first offending rows in it."""
        if result.unexpected is None:
            self._met &= result.success
        else:
            self._unexpected = (self._unexpected or 0) + result.unexpected
            self._considered += result.considered or 0
        self._rows += rows[: SHOWN - len(self._rows)]
        if self._observed is None or not result.success:
            self._observed = result.observed
        self._problem = self._problem or result.problem

    def conclude(self, rows: int) -> Finding:
        """Judge all that was added, ``rows`` being the number of rows there were."""
        problem = self._problem
        if self.missing and not self.of_schema:
            problem = f"not evaluated, for {', '.join(sorted(self.missing))} is missing"
        return Finding(
            expectation=self.expectation.configuration.type,
            columns=self.columns,
            rule=describe_rule(self.expectation),
            success=problem is None and self._met and self._enough(),
            severity=self.expectation.severity.value,
            checked=rows,
            unexpected=self._unexpected,
            rows=tuple(self._rows),
            observed=self._observed,
            problem=problem,
        )

    def _enough(self) -> bool:
        """Apply ``mostly`` to all batches together: each on its own could fail where the whole does not."""
        if not self._unexpected:
            return True
        mostly = getattr(self.expectation, "mostly", 1.0)
        return (self._considered - self._unexpected) / self._considered >= (mostly if isinstance(mostly, float) else 1)
