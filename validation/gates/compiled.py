"""Says expectations in SQL: a suite becomes one pass over all rows, whatever the engine."""
# mypy: disable-error-code="attr-defined"
# Great Expectations exports its expectations without an __all__, which strict mode takes for private.

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from validation.gates.engine import Engine
from validation.gates.gx import Expectation, gxe


@dataclass(frozen=True, slots=True)
class RowRule:
    """Says of each row whether it is looked at, and whether it breaks the expectation; both SQL conditions."""

    considered: str
    broken: str


@dataclass(frozen=True, slots=True)
class Measure:
    """Says something of all rows: an SQL aggregate, and what its value must be."""

    aggregate: str
    passes: Callable[[Any], bool]


def compile_expectation(expectation: Expectation, engine: Engine) -> RowRule | Measure | None:
    """Return what an expectation says, in SQL; None for one that has no such form here, or has a condition of its own."""
    if getattr(expectation, "row_condition", None) is not None:
        return None
    given = expectation.configuration.kwargs
    for kinds, compiled in _FORMS:
        if isinstance(expectation, kinds):
            return compiled(given, engine)
    return None


def is_null(column: str, engine: Engine) -> str:
    """Return the condition that a column has no value; NaN is none, as in pandas."""
    name = engine.dialect.column(column)
    real = engine.types[column] in ("FLOAT", "DOUBLE", "REAL")
    return f"({name} IS NULL OR isnan({name}))" if real else f"({name} IS NULL)"


def _outside(value: str, given: dict[str, Any]) -> str:
    """Return the condition that a number is not between two bounds; false where there are none."""
    parts = []
    if given.get("min_value") is not None:
        parts.append(f"{value} {'<=' if given.get('strict_min') else '<'} {given['min_value']!r}")
    if given.get("max_value") is not None:
        parts.append(f"{value} {'>=' if given.get('strict_max') else '>'} {given['max_value']!r}")
    return f"({' OR '.join(parts)})" if parts else "FALSE"


def _between(given: dict[str, Any]) -> Callable[[Any], bool]:
    low, high = given.get("min_value"), given.get("max_value")

    def passes(value: Any) -> bool:
        if value is None:
            return False
        over = low is None or (value > low if given.get("strict_min") else value >= low)
        under = high is None or (value < high if given.get("strict_max") else value <= high)
        return bool(over and under)

    return passes


def _not_null(given: dict[str, Any], engine: Engine) -> RowRule:
    return RowRule("TRUE", is_null(given["column"], engine))


def _in_range(given: dict[str, Any], engine: Engine) -> RowRule:
    name = engine.dialect.column(given["column"])
    return RowRule(f"NOT {is_null(given['column'], engine)}", _outside(name, given))


def _in_set(given: dict[str, Any], engine: Engine) -> RowRule:
    allowed = ", ".join(map(engine.dialect.literal, given["value_set"]))
    return RowRule(
        f"NOT {is_null(given['column'], engine)}", f"{engine.dialect.column(given['column'])} NOT IN ({allowed})"
    )


def _pair(given: dict[str, Any], engine: Engine) -> RowRule | None:
    if given.get("ignore_row_if") != "either_value_is_missing":
        return None
    one, other = given["column_A"], given["column_B"]
    sign = ">=" if given.get("or_equal") else ">"
    broken = f"NOT ({engine.dialect.column(one)} {sign} {engine.dialect.column(other)})"
    return RowRule(f"NOT ({is_null(one, engine)} OR {is_null(other, engine)})", broken)


def _of_values(function: str) -> Callable[[dict[str, Any], Engine], Measure]:
    def compiled(given: dict[str, Any], engine: Engine) -> Measure:
        value = f"CASE WHEN NOT {is_null(given['column'], engine)} THEN {engine.dialect.column(given['column'])} END"
        return Measure(f"{function}({value})", _between(given))

    return compiled


def _share_known(given: dict[str, Any], engine: Engine) -> Measure:
    known = f"CASE WHEN {is_null(given['column'], engine)} THEN 0.0 ELSE 1.0 END"
    return Measure(f"CAST(avg({known}) AS DOUBLE)", _between(given))


def _rows(given: dict[str, Any], engine: Engine) -> Measure:
    return Measure("count(*)", _between(given))


def _rows_equal(given: dict[str, Any], engine: Engine) -> Measure:
    return Measure("count(*)", lambda rows: bool(rows == given["value"]))


_Form = Callable[[dict[str, Any], Engine], RowRule | Measure | None]
_FORMS: Final[tuple[tuple[type[Expectation], _Form], ...]] = (
    (gxe.ExpectColumnValuesToNotBeNull, _not_null),
    (gxe.ExpectColumnValuesToBeBetween, _in_range),
    (gxe.ExpectColumnValuesToBeInSet, _in_set),
    (gxe.ExpectColumnPairValuesAToBeGreaterThanB, _pair),
    (gxe.ExpectColumnMinToBeBetween, _of_values("min")),
    (gxe.ExpectColumnMaxToBeBetween, _of_values("max")),
    (gxe.ExpectColumnMeanToBeBetween, _of_values("avg")),
    (gxe.ExpectColumnMedianToBeBetween, _of_values("median")),
    (gxe.ExpectColumnSumToBeBetween, _of_values("sum")),
    (gxe.ExpectColumnProportionOfNonNullValuesToBeBetween, _share_known),
    (gxe.ExpectTableRowCountToBeBetween, _rows),
    (gxe.ExpectTableRowCountToEqual, _rows_equal),
)
"""What has a form in SQL, besides that a column is there, its type, and that values are unique."""
