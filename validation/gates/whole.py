"""The gate for data that is large: a suite in one pass of an engine over all rows where they lie, and the same report."""
# mypy: disable-error-code="attr-defined"
# Great Expectations exports its expectations without an __all__, which strict mode takes for private.

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from validation.gates.compiled import Measure, RowRule, compile_expectation, is_null
from validation.gates.engine import Engine, open_duckdb
from validation.gates.evaluation import Evaluated, plain
from validation.gates.gate import check
from validation.gates.gx import ExpectationSuite, gxe
from validation.gates.report import Report, Row
from validation.gates.rows import Source
from validation.gates.tally import SHOWN, Tally

_NO_FORM = "not evaluated, for it has no form in SQL; check the rows here and not on an engine, or write another"
_UNIQUE = (gxe.ExpectColumnValuesToBeUnique, gxe.ExpectCompoundColumnsToBeUnique)


@dataclass(frozen=True, slots=True)
class Many:
    """Marks rows on this machine, in memory or in files, that are too many for frames."""

    rows: Source


def check_whole(engine: Engine, suite: ExpectationSuite) -> Report:
    """Check all rows of an engine's table; only counts, and the rows that are shown, leave the engine.

    An expectation that has no form in SQL fails as one that could not be evaluated, and says so.

    Args:
        engine: Where the rows are.
        suite: What to expect. Its ``meta["identify"]`` names the columns shown of an offending row.
    """
    identify = tuple((suite.meta or {}).get("identify", ()))
    tallies = [Tally(expectation, identify) for expectation in suite.expectations]
    asked: list[tuple[Tally, RowRule | Measure]] = []
    for tally in tallies:
        tally.note_missing(engine.types)
        if tally.missing and not tally.of_schema:
            continue
        expectation = tally.expectation
        if isinstance(expectation, gxe.ExpectColumnToExist):
            tally.add(_said(not tally.missing), [])
        elif isinstance(expectation, gxe.ExpectColumnValuesToBeOfType):
            tally.add(_judge_type(engine, expectation), [])
        elif isinstance(expectation, _UNIQUE) and _is_plain(expectation):
            _judge_unique(engine, tally)
        else:
            rule = compile_expectation(expectation, engine)
            if rule is None:
                tally.add(
                    _said(False, problem=_NO_FORM),
                    [],
                )
            else:
                asked.append((tally, rule))
    rows = _ask(engine, asked)
    return Report(suite.name, rows, tuple(tally.conclude(rows) for tally in tallies))


def check_here(source: Source, suite: ExpectationSuite) -> Report:
    """Check rows in one pass of DuckDB, and in frames what has no form in SQL."""
    with open_duckdb(source) as engine:
        report = check_whole(engine, suite)
    left = [place for place, finding in enumerate(report.findings) if finding.problem == _NO_FORM]
    if not left:
        return report
    others = [suite.expectations[place].copy() for place in left]
    rest = check(source, ExpectationSuite(suite.name, expectations=others, meta=suite.meta))
    found = dict(zip(left, rest.findings, strict=True))
    return replace(report, findings=tuple(found.get(place, one) for place, one in enumerate(report.findings)))


def _ask(engine: Engine, asked: Sequence[tuple[Tally, RowRule | Measure]]) -> int:
    """Evaluate rules and measures in one pass, and return the number of rows; those that break a rule are looked up then."""
    parts = ["count(*)"]
    for _, rule in asked:
        if isinstance(rule, RowRule):
            parts.append(f"count(CASE WHEN {rule.considered} THEN 1 END)")
            parts.append(f"count(CASE WHEN {rule.considered} AND {rule.broken} THEN 1 END)")
        else:
            parts.append(rule.aggregate)
    (found,) = engine.run(f"SELECT {', '.join(parts)} FROM {engine.table}")
    at = 1
    for tally, rule in asked:
        if isinstance(rule, RowRule):
            considered, broken = int(found[at]), int(found[at + 1])
            shown = _look_up(engine, tally, f"{rule.considered} AND {rule.broken}") if broken else []
            tally.add(Evaluated(not broken, considered, broken, (), None, None), shown)
            at += 2
        else:
            good = rule.passes(found[at])
            tally.add(_said(good, observed=None if good else str(found[at])), [])
            at += 1
    return int(found[0])


def _look_up(engine: Engine, tally: Tally, where: str) -> list[Row]:
    wanted = [name for name in tally.shown if name in engine.types]
    columns = ", ".join(engine.dialect.column(name) for name in wanted)
    rows = engine.run(f"SELECT {columns} FROM {engine.table} WHERE {where} ORDER BY {columns} LIMIT {SHOWN}")
    return [{name: plain(value) for name, value in zip(wanted, row, strict=True)} for row in rows]


def _judge_unique(engine: Engine, tally: Tally) -> None:
    key = ", ".join(engine.dialect.column(name) for name in tally.columns)
    present = "NOT (" + " AND ".join(is_null(name, engine) for name in tally.columns) + ")"
    times = f"SELECT {key}, count(*) AS times FROM {engine.table} WHERE {present} GROUP BY {key}"
    ((considered, repeated),) = engine.run(
        f"SELECT coalesce(sum(times), 0), coalesce(sum(CASE WHEN times > 1 THEN times END), 0) FROM ({times}) AS counted"
    )
    shown = []
    if repeated:
        few = f"SELECT {key} FROM ({times}) AS counted WHERE times > 1 ORDER BY {key} LIMIT {SHOWN}"
        shown = _look_up(engine, tally, f"({key}) IN ({few})")
    tally.add(Evaluated(not repeated, int(considered), int(repeated), (), None, None), shown)


def _judge_type(engine: Engine, expectation: Any) -> Evaluated:
    known, wanted = engine.types[expectation.column], engine.dialect.types.get(expectation.type_, ())
    return _said(known in wanted, observed=None if known in wanted else known.lower())


def _is_plain(expectation: Any) -> bool:
    conditional = getattr(expectation, "row_condition", None) is not None
    return not conditional and getattr(expectation, "ignore_row_if", None) in (None, "all_values_are_missing")


def _said(success: bool, observed: str | None = None, problem: str | None = None) -> Evaluated:
    return Evaluated(success, None, None, (), observed, problem)
