"""Finds what is wrong with one payload that should be a JSON object: slow, and only called where something is."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any, Final

import numpy as np
import pyarrow as pa

from pipelines.stream.transport.rejected import Rejected

_WHITE: Final = b" \t\r\n"
_WHOLE: Final = re.compile(r"-?[0-9]+")
_DIGITS: Final = 20  # and a sign: more than any column holds, and than Python reads without asking
_ORDINARY: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{6})?(Z|[+-][0-9]{2}:[0-9]{2})?"
)


def tidy(payload: bytes) -> bytes:
    """Return a JSON text as one line: what ends lines can only stand between its parts."""
    return payload.strip(_WHITE).replace(b"\n", b" ").replace(b"\r", b" ")


def find_fault(payload: bytes, kinds: Mapping[str, pa.DataType]) -> Rejected | None:
    """Return what is wrong; None where it is an object whose values fit their columns.

    Args:
        payload: The payload.
        kinds: The columns' types.
    """
    try:
        fields = _DECODER.decode(payload.decode())
    except RecursionError:
        return None  # what is nested so deep may be a field that nobody reads: Arrow will say
    except ValueError as error:  # a UnicodeDecodeError is one
        if b"Inf" in payload:
            return None  # Arrow reads Inf
        return Rejected(payload, str(error), "not_json")
    if not isinstance(fields, _Object):
        return Rejected(payload, "not a JSON object", "not_json")
    seen = set()
    for name, value in fields:
        if name not in kinds:
            continue
        if name in seen:
            return Rejected(payload, f"{name} is given twice", "not_json")
        seen.add(name)
        code = None if value is None else _misfit(value, kinds[name])
        if code:
            return Rejected(payload, f"{name}: {_shown(value)} is no {kinds[name]}", code)
    return None


class _Object(list[tuple[str, Any]]):
    """The fields of an object, in order: those that are given twice too."""


class _Number(str):
    """A number as it is written: Python's own may be too long to read."""

    __slots__ = ()


_DECODER: Final = json.JSONDecoder(object_pairs_hook=_Object, parse_int=_Number, parse_float=_Number)


def _misfit(value: Any, kind: pa.DataType) -> str | None:
    """Return the code of a value that its column cannot hold; None for one that it can."""
    if pa.types.is_boolean(kind):
        return None if isinstance(value, bool) else "wrong_type"
    if pa.types.is_integer(kind):
        if not isinstance(value, _Number) or _WHOLE.fullmatch(value) is None:
            return "wrong_type"
        bound = 1 << (kind.bit_width - 1)
        return None if len(value) <= _DIGITS and -bound <= int(value) < bound else "out_of_range"
    if pa.types.is_floating(kind):
        if not isinstance(value, _Number | float):  # NaN and the infinities, which JSON does not have, come as floats
            return "wrong_type"
        return "out_of_range" if _is_infinite(float(value), kind) else None
    if not isinstance(value, str) or isinstance(value, _Number):
        return "wrong_type"
    return "wrong_type" if pa.types.is_timestamp(kind) and not _is_time(value) else None


def _is_infinite(number: float, kind: pa.DataType) -> bool:
    if kind.bit_width == 32:
        with np.errstate(over="ignore"):
            return bool(np.isinf(np.float32(number)))
    return math.isinf(number)


def _is_time(text: str) -> bool:
    if _ORDINARY.fullmatch(text):
        with suppress(ValueError):
            datetime.fromisoformat(text)
            return True
    for kind in (pa.timestamp("us", "UTC"), pa.timestamp("us")):  # Arrow's own word: with a zone, or without
        try:
            pa.scalar(text, pa.string()).cast(kind)
        except (pa.ArrowInvalid, UnicodeEncodeError):
            continue
        return True
    return False


def _shown(value: Any) -> str:
    if isinstance(value, _Object):
        return "an object"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, bool | float):
        return json.dumps(value)
    return f"{value:.80}" if isinstance(value, _Number) else f"{value!r:.80}"
