"""Expectation suites derived from declarations: event tables, feature logs and training sets.

A suite's ``meta["identify"]`` lists the columns by which a report names an offending row.
"""
# mypy: disable-error-code="attr-defined"
# Great Expectations exports its expectations without an __all__, which strict mode takes for private.

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field, replace

from contract.checks import ColumnCheck, Severity
from contract.types import TYPES
from validation.gates.evaluation import sign
from validation.gates.gx import Expectation, ExpectationSuite, FailureSeverity, gxe

_LARGEST = sys.float_info.max

# What a column's type is called -> what Great Expectations calls it in pandas. A list has no such name.
_PANDAS: dict[str, str] = {
    name: one.pandas for one in TYPES.values() if one.pandas for name in (one.kind, str(one.arrow), *one.ddl)
} | {"large_string": "str"}  # what pandas makes of texts in Parquet

# What holds for a function's values by its meaning: (never null, smallest, largest). Null passes a range.
_RULES: dict[str, tuple[bool, float | None, float | None]] = {
    "count": (True, 0, None),
    "count_distinct": (True, 0, None),
    "sum": (True, -_LARGEST, _LARGEST),
    "mean": (False, -_LARGEST, _LARGEST),
    "std": (False, 0, _LARGEST),
    "duration": (False, 0, None),
    "last_n": (True, None, None),
}


@dataclass(frozen=True, slots=True)
class EventSpec:
    """Declares an event table.

    Attributes:
        name: The table's name; the suite is called the same.
        columns: Column -> type, by Arrow's name (``int64``, ``double``, ``string``, ``timestamp[us, tz=UTC]``) or SQL's
            (``bigint``, ``timestamp``). A ``timestamp`` without more is one with a time zone. Of a ``list<...>``, and of
            one without a type (""), only the presence is checked.
        keys: Columns of the entities' keys, never null.
        timestamp: The column of the event's time, never null.
        event_id: The column that identifies an event, never null and never twice.
        checks: What the values of columns must be like, as tags say, by column.
        repeated: What an id that comes twice does.
    """

    name: str
    columns: Mapping[str, str]
    keys: tuple[str, ...]
    timestamp: str
    event_id: str
    checks: Mapping[str, ColumnCheck] = field(default_factory=dict)
    repeated: Severity = "critical"


@dataclass(frozen=True, slots=True)
class FeatureSpec:
    """Declares the rows of a feature view.

    Attributes:
        view: What the suite is called: the view, or its log.
        keys: Columns of the entity's key.
        features: Feature -> function, as declared, such as ``count``, ``last_n(10)`` or ``session_count(30min)``.
        timestamp: The column of the instant from which a row holds.
        ordered: Pairs of features of which the first is never larger, where neither is null. Give only pairs that are
            exact, such as (min, max) or (count_distinct, count): a mean of equal values may round beyond the maximum.
        checks: What the values of keys and features must be like, as tags say, by name.
    """

    view: str
    keys: tuple[str, ...]
    features: Mapping[str, str]
    timestamp: str = "event_timestamp"
    ordered: tuple[tuple[str, str], ...] = ()
    checks: Mapping[str, ColumnCheck] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TrainingSpec:
    """Declares a training set.

    Attributes:
        name: The suite's name, such as the feature service's.
        keys: Columns of the entities' keys.
        label: The column to learn; never null.
        features: Column -> function, or "" for one that no function computes (a request's or on-demand feature). An
            entity never seen has null features, so a null is not a failure; a feature that is null everywhere is.
        timestamp: The column of the label's instant.
        classes: The values the label has; each must occur and no other may. Empty when the label is a quantity.
        checks: What the values of features must be like, as tags say, by column.
    """

    name: str
    keys: tuple[str, ...]
    label: str
    features: Mapping[str, str]
    timestamp: str = "event_timestamp"
    classes: tuple[int, ...] = (0, 1)
    checks: Mapping[str, ColumnCheck] = field(default_factory=dict)


def suite_for_events(spec: EventSpec, extra: Sequence[Expectation] = ()) -> ExpectationSuite:
    """Build the suite of an event table: columns, types, no null where a key is needed, ids that occur once.

    Raises:
        ValueError: A column's type is unknown, or a key, the timestamp or the id is not among the columns.
    """
    needed = tuple(dict.fromkeys((spec.event_id, *spec.keys, spec.timestamp)))
    for column in needed:
        if column not in spec.columns:
            raise ValueError(f"{spec.name}: {column} is not among the columns; add {column!r} and its type to columns.")
    expectations = [
        *_exist(spec.columns),
        *_not_null(needed),
        gxe.ExpectColumnValuesToBeUnique(column=spec.event_id, severity=FailureSeverity(spec.repeated)),
    ]
    for column, type_ in spec.columns.items():
        name = _pandas_type(f"{spec.name}.{column}", type_)
        if name is not None:
            expectations.append(gxe.ExpectColumnValuesToBeOfType(column=column, type_=name))
    expectations += _of_tags(spec.checks)
    return _suite(spec.name, needed, expectations, extra)


def suite_for_features(spec: FeatureSpec, extra: Sequence[Expectation] = ()) -> ExpectationSuite:
    """Build the suite of a feature view's rows: one row per entity and instant, values their functions can have.

    A function not known here only has to have its column.
    """
    needed = (*spec.keys, spec.timestamp)
    expectations = [
        *_exist((*needed, *spec.features)),
        *_not_null(needed),
        gxe.ExpectCompoundColumnsToBeUnique(column_list=list(needed)),
    ]
    for feature, function in spec.features.items():
        if _rule(function)[0]:
            expectations += _not_null([feature])
        expectations += _in_range(feature, function)
    expectations += [
        gxe.ExpectColumnPairValuesAToBeGreaterThanB(
            column_A=larger, column_B=smaller, or_equal=True, ignore_row_if="either_value_is_missing"
        )
        for smaller, larger in spec.ordered
    ]
    expectations += _of_tags(spec.checks)
    return _suite(spec.view, needed, expectations, extra)


def suite_for_training(spec: TrainingSpec, extra: Sequence[Expectation] = ()) -> ExpectationSuite:
    """Build the suite of a training set: labels of every class, no feature without any value, values in range."""
    needed = (*spec.keys, spec.timestamp)
    expectations = [*_exist((*needed, spec.label, *spec.features)), *_not_null((*needed, spec.label))]
    if spec.classes:
        classes = list(spec.classes)
        expectations.append(gxe.ExpectColumnDistinctValuesToEqualSet(column=spec.label, value_set=classes))
    for feature, function in spec.features.items():
        expectations.append(
            gxe.ExpectColumnProportionOfNonNullValuesToBeBetween(column=feature, min_value=0, strict_min=True)
        )
        expectations += _in_range(feature, function)
    # A null is an entity that was never seen, whatever its view's rows must have.
    expectations += _of_tags({name: replace(one, not_null=False) for name, one in spec.checks.items()})
    return _suite(spec.name, needed, expectations, extra)


def _suite(
    name: str, identify: Sequence[str], derived: Sequence[Expectation], extra: Sequence[Expectation]
) -> ExpectationSuite:
    # By signature, so that a team may repeat what is derived. Copies, for a suite registers itself on its expectations.
    different = {sign(one.configuration): one for one in (*derived, *extra)}
    return ExpectationSuite(
        name=name, expectations=[copy(one) for one in different.values()], meta={"identify": list(identify)}
    )


def _of_tags(checks: Mapping[str, ColumnCheck]) -> Iterator[Expectation]:
    for column, check in checks.items():
        severity = FailureSeverity(check.severity)
        if check.not_null:
            yield gxe.ExpectColumnValuesToNotBeNull(column=column, severity=severity)
        if check.least is not None or check.most is not None:
            yield gxe.ExpectColumnValuesToBeBetween(
                column=column, min_value=check.least, max_value=check.most, severity=severity
            )
        if check.values:
            yield gxe.ExpectColumnValuesToBeInSet(column=column, value_set=list(check.values), severity=severity)


def _exist(columns: Sequence[str] | Mapping[str, str]) -> Iterator[Expectation]:
    return (gxe.ExpectColumnToExist(column=column) for column in columns)


def _not_null(columns: Sequence[str]) -> Iterator[Expectation]:
    return (gxe.ExpectColumnValuesToNotBeNull(column=column) for column in columns)


def _in_range(feature: str, function: str) -> Iterator[Expectation]:
    _, smallest, largest = _rule(function)
    if smallest is not None or largest is not None:
        yield gxe.ExpectColumnValuesToBeBetween(column=feature, min_value=smallest, max_value=largest)


def _rule(function: str) -> tuple[bool, float | None, float | None]:
    """Find a function's rule; a function over a session keeps that of the function itself."""
    name = function.partition("(")[0].strip().removeprefix("session_")
    return _RULES.get(name, (False, None, None))


def _pandas_type(where: str, type_: str) -> str | None:
    if not type_ or re.match(r"(large_)?list<", type_):
        return None
    if re.fullmatch(r"timestamp\[\w+, ?tz=.+\]", type_):
        return "Timestamp"
    if re.fullmatch(r"timestamp\[\w+\]", type_):
        return "datetime64"
    if type_ not in _PANDAS:
        raise ValueError(
            f"{where}: type {type_!r} is unknown; use one of {', '.join(_PANDAS)}, timestamp[us, tz=UTC] or list<...>."
        )
    return _PANDAS[type_]
