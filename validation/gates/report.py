"""What a check found: one finding per expectation, and the error a failed gate raises."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Literal

from contract.checks import Severity

Row = Mapping[str, object]
"""Columns that identify an offending row and the checked ones, as JSON-able values; a null is None."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Says how one expectation went.

    Attributes:
        expectation: Its snake-case name, such as ``expect_column_values_to_not_be_null``.
        columns: The columns it is about; none when it is about the table.
        rule: Its other parameters, in words.
        success: Whether the data meets it.
        severity: What a failure does: `critical`, the default, stops a gate; a `warning` is told and goes on; `info` only
            stands on the page.
        checked: Rows looked at.
        unexpected: How many rows break it; None when it is not about single rows.
        rows: The first of those rows.
        observed: What was seen instead, when it is not about single rows.
        problem: Why it could not be evaluated, if so.
        of: What is counted.
    """

    expectation: str
    columns: tuple[str, ...]
    rule: str
    success: bool
    severity: Severity
    checked: int
    unexpected: int | None = None
    rows: tuple[Row, ...] = ()
    observed: str | None = None
    problem: str | None = None
    of: Literal["rows", "days", "features"] = "rows"

    @property
    def blocking(self) -> bool:
        """Whether a failure stops a gate."""
        return self.severity == "critical"

    def describe(self) -> str:
        """Say in one line what was expected and, when it failed, what was found."""
        rule = f" [{self.rule}]" if self.rule else ""
        line = f"{self.expectation}({', '.join(self.columns)}){rule}: "
        if self.success:
            return line + "met"
        if self.problem is not None:
            return line + self.problem
        if self.unexpected is None:
            return line + ("not met" if self.observed is None else f"observed {self.observed}")
        shown = "; ".join(", ".join(f"{name}={value}" for name, value in row.items()) for row in self.rows)
        return f"{line}{self.unexpected:,} of {self.checked:,} {self.of}" + (f", first: {shown}" if shown else "")


@dataclass(frozen=True, slots=True)
class Report:
    """Holds what a suite found in some data; ``rows`` is how many there were, and all of them were looked at."""

    suite: str
    rows: int
    findings: tuple[Finding, ...]

    @property
    def success(self) -> bool:
        """Whether a gate lets the data pass: no blocking expectation failed."""
        return all(finding.success or not finding.blocking for finding in self.findings)

    @property
    def failures(self) -> tuple[Finding, ...]:
        """The expectations that failed, blocking or not."""
        return tuple(finding for finding in self.findings if not finding.success)

    @property
    def warnings(self) -> tuple[Finding, ...]:
        """The failures that stop nobody, and that people are told of."""
        return tuple(finding for finding in self.failures if finding.severity == "warning")

    def with_findings(self, more: Iterable[Finding]) -> Report:
        """Return the report with what else was found in the same data."""
        return replace(self, findings=(*self.findings, *more))

    def require_success(self) -> Report:
        """Return the report if a gate lets the data pass.

        Raises:
            ValidationFailed: A blocking expectation failed.
        """
        if not self.success:
            raise ValidationFailed(self)
        return self

    def to_dict(self) -> dict[str, object]:
        """Return the report as JSON-able values."""
        return {"success": self.success, **asdict(self)}


class ValidationFailed(Exception):  # noqa: N818 - it reads as what happened
    """Stops whoever was about to use the data; carries the ``report`` and print its failures."""

    def __init__(self, report: Report) -> None:
        """Take the report that has a blocking failure."""
        super().__init__(report)  # the arguments are what pickle restores, between processes
        self.report = report

    def __str__(self) -> str:
        """Name the suite, each failed expectation, its column, the number of rows and the first of them."""
        failed = [finding for finding in self.report.failures if finding.blocking]
        lines = "\n".join(f"  {finding.describe()}" for finding in failed)
        return (
            f"{self.report.suite}: {len(failed)} of {len(self.report.findings)} expectations failed on "
            f"{self.report.rows:,} rows. Correct these rows where they come from, or the expectation:\n{lines}"
        )
