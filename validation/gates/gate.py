"""The gate: checks all rows of some data against a suite, and stops who asked when they do not pass.

Rows are looked at in batches, so the memory needed is that of a batch, not of the data. What cannot be said batch by
batch is said of the whole: uniqueness through DuckDB, which can use the disk; all else by reading its columns alone.
"""
# mypy: disable-error-code="attr-defined"
# Great Expectations exports its expectations without an __all__, which strict mode takes for private.

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import pandas as pd

from validation.gates.evaluation import Evaluated, Evaluator, pick_rows
from validation.gates.gx import ExpectationSuite, gxe
from validation.gates.report import Report
from validation.gates.rows import Source, read_batches, read_columns
from validation.gates.tally import SHOWN, Tally
from validation.gates.uniqueness import find_duplicates

BATCH = 500_000
"""Rows evaluated at once: some 100 MB at twenty columns."""


def check(source: Source, suite: ExpectationSuite, *, batch: int = BATCH) -> Report:
    """Check all rows of some data; nothing is sampled and nothing is changed.

    Args:
        source: A frame, a table, a Parquet file, a folder of them, or several paths.
        suite: What to expect. Its ``meta["identify"]`` names the columns shown of an offending row.
        batch: Rows to evaluate at once, 1 or more.

    Raises:
        FileNotFoundError: There is no Parquet file at a path.
    """
    identify = tuple((suite.meta or {}).get("identify", ()))
    tallies = [Tally(expectation, identify) for expectation in suite.expectations]
    evaluator = Evaluator(SHOWN)
    batches = read_batches(source, batch)
    first, second = next(batches), next(batches, None)
    if second is None:
        _evaluate(evaluator, first, tallies)
        rows = len(first)
    else:
        rows = _evaluate_batches(evaluator, source, chain([first, second], batches), tallies)
    return Report(suite.name, rows, tuple(tally.conclude(rows) for tally in tallies))


def _evaluate_batches(
    evaluator: Evaluator, source: Source, batches: chain[pd.DataFrame], tallies: Sequence[Tally]
) -> int:
    """Evaluate data of several batches and return its number of rows."""
    rows = 0
    everywhere: list[str] | None = None
    for frame in batches:
        rows += len(frame)
        _evaluate(evaluator, frame, [tally for tally in tallies if tally.by_batch])
        everywhere = [column for column in everywhere or frame.columns if column in frame.columns]
        for tally in tallies:
            tally.can_run_on(frame)
    for tally in tallies:
        if not tally.by_batch and not tally.missing:
            _evaluate_whole(evaluator, source, tally, everywhere or [])
    return rows


def _evaluate(evaluator: Evaluator, frame: pd.DataFrame, tallies: Sequence[Tally]) -> None:
    able = [tally for tally in tallies if tally.can_run_on(frame)]
    results = evaluator.evaluate(frame, [tally.expectation for tally in able])
    for tally, result in zip(able, results, strict=True):
        tally.add(result, list(pick_rows(frame, result.positions[:SHOWN], tally.shown)))


def _evaluate_whole(evaluator: Evaluator, source: Source, tally: Tally, columns: Sequence[str]) -> None:
    """Evaluate one expectation on all rows at once; ``columns`` are those that every batch has."""
    expectation = tally.expectation
    conditional = getattr(expectation, "row_condition", None) is not None
    compound = isinstance(expectation, gxe.ExpectCompoundColumnsToBeUnique)
    if compound and getattr(expectation, "ignore_row_if", None) not in (None, "all_values_are_missing"):
        conditional = True
    if not conditional and (compound or isinstance(expectation, gxe.ExpectColumnValuesToBeUnique)):
        identify = [column for column in tally.shown if column in columns]
        found = find_duplicates(source, tally.columns, identify, SHOWN)
        result = Evaluated(found.repeated == 0, found.present, found.repeated, (), None, None)
        tally.add(result, list(pick_rows(found.first, range(len(found.first)), tally.shown)))
        return
    # A condition may be about any column; a statement about the table only needs its rows.
    needed = columns if conditional else tally.columns or columns[:1]
    _evaluate(evaluator, read_columns(source, needed), [tally])
