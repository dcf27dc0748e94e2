"""Remembers how a suite went each time, for the trend on its page: a line a run, the newest last."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Final, Literal

from validation.gates.report import Report
from workspace.files import write_whole

KEPT: Final = 60
"""Runs of a suite that are remembered."""

Outcome = Literal["passed", "warned", "failed"]


@dataclass(frozen=True, slots=True)
class SuiteRun:
    """How a suite went once.

    Attributes:
        at: When, ISO 8601.
        outcome: `failed` where a gate stops, `warned` where it only tells.
        rows: Rows there were.
        expectations: How many there were.
        unmet: Those that were not met, by name and columns.
    """

    at: str
    outcome: Outcome
    rows: int
    expectations: int
    unmet: tuple[str, ...]


def outcome_of(report: Report) -> Outcome:
    """Say in a word how a report went."""
    if not report.success:
        return "failed"
    return "warned" if report.warnings else "passed"


def note_run(file: Path, report: Report, at: datetime) -> list[SuiteRun]:
    """Add a run to a suite's file and return all that are remembered, the oldest first."""
    unmet = tuple(f"{one.expectation}({', '.join(one.columns)})" for one in report.failures)
    run = SuiteRun(at.isoformat(" ", "seconds"), outcome_of(report), report.rows, len(report.findings), unmet)
    runs = [*read_runs(file), run][-KEPT:]
    write_whole(file, "".join(json.dumps(asdict(one)) + "\n" for one in runs))
    return runs


def read_runs(file: Path) -> list[SuiteRun]:
    """Return the runs in a suite's file, the oldest first; none where there is no such file."""
    if not file.is_file():
        return []
    given = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    return [SuiteRun(**{**one, "unmet": tuple(one["unmet"])}) for one in given]
