"""Turns one JSON value into the Python value of a declared type, or says why it does not fit.

The rules are strict, so that a caller's slip is an error and not a score: a boolean is not a number, a string of
digits is not an integer, nor is 1.0, and what is not finite is not a number.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

Converter = Callable[[object], object]

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
INT32_MIN, INT32_MAX = -(2**31), 2**31 - 1
FLOAT32_MAX = 3.4028234663852886e38
TIMESTAMP_EXAMPLE = "2026-01-31T12:00:00Z"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST_US = (datetime.min.replace(tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)
LAST_US = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)
_MICROSECOND = timedelta(microseconds=1)


class UnfitValueError(ValueError):
    """A value is not of the declared type; the message says what was given and what is expected."""


def describe(value: object) -> str:
    """Name a JSON value for an error message, shortened to 60 characters.

    >>> describe(True), describe("12"), describe(None), describe([1, 2])
    ('the boolean true', 'the string "12"', 'null', 'a list')
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return f"the boolean {json.dumps(value)}"
    if isinstance(value, str):
        text = json.dumps(value, ensure_ascii=False)
        return f"the string {text if len(text) <= 60 else text[:57] + '...'}"
    if isinstance(value, int | float):
        text = str(value) if isinstance(value, float) or abs(value) < 10**40 else "an integer of over 40 digits"
        return text if isinstance(value, int) and text.startswith("an") else f"the number {text}"
    return "a list" if isinstance(value, list) else "an object" if isinstance(value, dict) else type(value).__name__


def to_int64(value: object) -> int:
    """Return a JSON integer between -2^63 and 2^63 - 1."""
    if type(value) is int and INT64_MIN <= value <= INT64_MAX:
        return value
    raise UnfitValueError(f"expected a 64-bit integer, got {describe(value)}")


def to_int32(value: object) -> int:
    """Return a JSON integer between -2^31 and 2^31 - 1."""
    if type(value) is int and INT32_MIN <= value <= INT32_MAX:
        return value
    raise UnfitValueError(f"expected a 32-bit integer, got {describe(value)}")


def to_float64(value: object) -> float:
    """Return a finite JSON number; an integer is taken as a float."""
    if type(value) is float and math.isfinite(value):
        return value
    if type(value) is int and abs(value) <= 2**1023:
        return float(value)
    raise UnfitValueError(f"expected a finite number, got {describe(value)}")


def to_float32(value: object) -> float:
    """Return a finite JSON number within the range of a 32-bit float, unrounded."""
    number = to_float64(value)
    if abs(number) > FLOAT32_MAX:
        raise UnfitValueError(f"expected a number within ±{FLOAT32_MAX:.3g} (32-bit float), got {describe(value)}")
    return number


def to_string(value: object) -> str:
    """Return a JSON string."""
    if type(value) is str:
        return value
    raise UnfitValueError(f"expected a string, got {describe(value)}; put it in quotes")


def to_bool(value: object) -> bool:
    """Return a JSON boolean."""
    if type(value) is bool:
        return value
    raise UnfitValueError(f"expected true or false, got {describe(value)}")


def to_timestamp(value: object) -> int:
    """Return the UTC microseconds since 1970 of an ISO 8601 date and time; without a zone it is UTC.

    Numbers are refused: whether 1769860800 means seconds or microseconds is a guess, and a wrong guess scores.
    """
    if type(value) is str and len(value) >= 16:
        try:
            at = datetime.fromisoformat(value)
        except ValueError:
            pass
        else:
            at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
            micros = (at - _EPOCH) // _MICROSECOND
            if FIRST_US <= micros <= LAST_US:  # a zone can move year 1 out of the calendar
                return micros
    raise UnfitValueError(
        f"expected an ISO 8601 date and time (UTC if it names no zone), got {describe(value)};"
        f' write it as "{TIMESTAMP_EXAMPLE}"'
    )


CONVERTERS: Final[dict[str, Converter]] = {
    "int64": to_int64,
    "int32": to_int32,
    "float64": to_float64,
    "float32": to_float32,
    "string": to_string,
    "bool": to_bool,
    "timestamp": to_timestamp,
}
"""What a request can carry; each kind also as `kind[]`, a list."""


def converter_for(kind: str) -> Converter | None:
    """Return the converter of a kind (`int64`, `float64[]`, ...), or None when JSON cannot carry it."""
    if not kind.endswith("[]"):
        return CONVERTERS.get(kind)
    element = CONVERTERS.get(kind[:-2])
    if element is None:
        return None

    def to_list(value: object) -> list[object]:
        if type(value) is not list:
            raise UnfitValueError(f"expected a list, got {describe(value)}")
        return [element(item) for item in value]

    return to_list
