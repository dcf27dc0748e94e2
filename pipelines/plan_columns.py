"""Holds the columns that a feature reads against what its function takes."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from pipelines.plan import PlanError
from pipelines.semantics.aggregators.counting import CountBy
from pipelines.semantics.aggregators.patterns import Matches
from pipelines.semantics.aggregators.table import Aggregator


def check_columns(
    where: str, function: str, aggregator: Aggregator, column: str | None, types: Mapping[str, pa.DataType]
) -> None:
    """Refuse a feature whose columns are not there, or not of a type that its function takes.

    Args:
        where: The view and the feature, for the message.
        function: The function as it is declared.
        aggregator: The same, read.
        column: The feature's column, if it has one.
        types: The events' columns, the derived ones among them.

    Raises:
        PlanError: A column is missing, unknown or of another type.
    """
    if column is None and not aggregator.optional_column:
        raise PlanError(f"{where}: {function} needs a column; use one of {', '.join(sorted(types))}.")
    for name in (column, *getattr(aggregator, "others", ())):
        if name is not None and name not in types:
            raise PlanError(
                f"{where}: column {name!r} is not a column of the events; use one of {', '.join(sorted(types))}."
            )
    if isinstance(aggregator, Matches):
        _check_steps(where, aggregator, column, types)
    if column is None:
        return
    kind = types[column]
    if aggregator.takes == "number" and not (pa.types.is_integer(kind) or pa.types.is_floating(kind)):
        raise PlanError(f"{where}: {function} needs numbers, {column} is {kind}; use count or last.")
    if aggregator.takes == "time" and not pa.types.is_timestamp(kind):
        raise PlanError(f"{where}: {function} needs a time, {column} is {kind}; leave the column out.")
    if aggregator.takes == "boolean" and not pa.types.is_boolean(kind):
        raise PlanError(
            f"{where}: {function} needs booleans, {column} is {kind}; let the view's transform add a column such as"
            f" {column}_is_large."
        )
    if aggregator.takes == "category" and not is_category(kind):
        raise PlanError(
            f"{where}: {function} needs texts, whole numbers or booleans, {column} is {kind}; let the view's transform"
            " add a boolean column, and use count_by(true) of it."
        )
    if isinstance(aggregator, CountBy) and not can_hold(kind, aggregator.value):
        wanted = "true or false" if pa.types.is_boolean(kind) else "a whole number"
        raise PlanError(f"{where}: {function} can never be more than 0, {column} is {kind}; write {wanted}.")


def _check_steps(where: str, pattern: Matches, column: str | None, types: Mapping[str, pa.DataType]) -> None:
    if column is not None:
        raise PlanError(f"{where}: a pattern names its columns itself; leave column={column!r} out.")
    for step in pattern.steps:
        kind = types[step.column]
        if (
            not is_category(kind)
            or not can_hold(kind, step.value)
            or (step.value == "true" and pa.types.is_string(kind))
        ):
            raise PlanError(
                f"{where}: the step {step.column} is about {step.value!r}, the column is {kind}; let the view's transform"
                f" add a boolean column, or write {step.column}=value with a text, a whole number, true or false."
            )


def is_category(kind: pa.DataType) -> bool:
    """Say whether values of a type can be named in a declaration: texts, whole numbers and booleans."""
    return pa.types.is_string(kind) or pa.types.is_integer(kind) or pa.types.is_boolean(kind)


def can_hold(kind: pa.DataType, value: str) -> bool:
    """Say whether a category can have a value, as a declaration writes it.

    >>> can_hold(pa.int64(), "-7"), can_hold(pa.int64(), "07"), can_hold(pa.bool_(), "yes")
    (True, False, False)
    """
    if pa.types.is_boolean(kind):
        return value in ("true", "false")
    if pa.types.is_integer(kind):
        return value.lstrip("-").isdecimal() and str(int(value)) == value and -(2**63) <= int(value) < 2**63
    return True
