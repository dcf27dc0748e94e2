"""Writes the values of features as JSON can hold them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any


def json_of(value: Any) -> Any:
    """Return what JSON can hold of a value.

    Null for a number that is not finite; ISO 8601 for a time; hexadecimal digits for bytes; a sorted list for a set; a text for a UUID,
    a decimal, and for a key of a map that is none.

    >>> json_of({1: {"b", "a"}, 2: float("nan")})
    {'1': ['a', 'b'], '2': None}
    """
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list):
        return [json_of(one) for one in value]
    if isinstance(value, Mapping):
        return {_key(key): json_of(one) for key, one in value.items()}
    if isinstance(value, set):
        return sorted(map(json_of, value), key=lambda one: (str(type(one)), one))
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return value.hex() if isinstance(value, bytes) else str(value)


def _key(key: Any) -> str:
    plain = json_of(key)
    return plain if isinstance(plain, str) else str(plain).lower() if isinstance(plain, bool) else str(plain)
