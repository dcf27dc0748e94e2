"""Checks the columns that Feast's clients send as JSON, and gives the values that Feast and Arrow take."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from serving.request.fields import FIRST_US, LAST_US, UnfitValueError, converter_for, describe, to_timestamp
from serving.request.schema import RequestError

MICROSECONDS: Final = 1_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def read_columns(given: object, name: str, most: int) -> dict[str, list[Any]]:
    """Return columns of equal length.

    Args:
        given: The parsed JSON.
        name: Where it stands in the body.
        most: How many rows there may be.

    Raises:
        RequestError: It is not an object of lists, the lists differ in length, or are empty or too long.
    """
    if type(given) is not dict or not given:
        raise RequestError(name, f"expected an object with a list of values a column, got {describe(given)}")
    size: int | None = None
    for column, values in given.items():
        if type(values) is not list:
            raise RequestError(f"{name}.{column}", f"expected a list of values, got {describe(values)}")
        size = len(values) if size is None else size
        if len(values) != size:
            raise RequestError(
                f"{name}.{column}", f"has {len(values)} values, others have {size}; send one for each row"
            )
    if not size:
        raise RequestError(name, "has no rows; send at least one")
    if size > most:
        raise RequestError(name, f"expected at most {most} rows, got {size}; send several requests")
    return given


def check_column(values: Sequence[object], kind: str, at: str, may_be_null: bool) -> list[Any]:
    """Return the values of a column as its kind; times are microseconds since 1970, UTC.

    Raises:
        RequestError: A value does not fit, or the kind cannot be sent as JSON.
    """
    convert = _to_micros if kind == "timestamp" else converter_for(kind)
    if kind == "timestamp[]":
        convert = _to_list_of_micros
    if convert is None:
        raise RequestError(at, f"is {kind}, which cannot be sent as JSON; write it with the stream or a backfill")
    return [_checked(value, convert, f"{at}[{row}]", may_be_null) for row, value in enumerate(values)]


def as_feast(values: Sequence[Any], kind: str) -> list[Any]:
    """Return checked values as Feast takes them: times as datetimes."""
    if kind == "timestamp":
        return [None if value is None else _EPOCH + timedelta(microseconds=value) for value in values]
    if kind == "timestamp[]":
        return [None if value is None else as_feast(value, "timestamp") for value in values]
    return list(values)


def _checked(value: object, convert: Callable[[object], object], at: str, may_be_null: bool) -> object:
    if value is None and may_be_null:
        return None
    try:
        return convert(value)
    except UnfitValueError as error:
        raise RequestError(at, str(error)) from None


def _to_micros(value: object) -> int:
    """Return microseconds; a number is seconds since 1970, as everywhere in Feast."""
    if type(value) is int and FIRST_US <= value * MICROSECONDS <= LAST_US:
        return value * MICROSECONDS
    return to_timestamp(value)


def _to_list_of_micros(value: object) -> list[int]:
    if type(value) is not list:
        raise UnfitValueError(f"expected a list, got {describe(value)}")
    return [_to_micros(item) for item in value]
