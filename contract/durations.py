"""Reads and writes durations such as `30min`; everything inside is an integer of microseconds."""

from __future__ import annotations

import re

MICROSECONDS = {
    "us": 1,
    "ms": 1_000,
    "s": 1_000_000,
    "min": 60_000_000,
    "h": 3_600_000_000,
    "d": 86_400_000_000,
    "w": 7 * 86_400_000_000,
}
SECOND, MINUTE, HOUR, DAY = (MICROSECONDS[unit] for unit in ("s", "min", "h", "d"))


def parse_duration(text: str) -> int:
    """Return the microseconds that a text such as `30min` names.

    Raises:
        ValueError: The text is not a whole number and one of us, ms, s, min, h, d, w.

    >>> parse_duration("30min")
    1800000000
    """
    found = re.fullmatch(r"\s*(\d+)\s*(us|ms|s|min|h|d|w)\s*", text)
    if not found:
        raise ValueError(f"{text!r} is not a duration; write a whole number and a unit, such as 90s, 30min, 24h or 7d.")
    return int(found[1]) * MICROSECONDS[found[2]]


def format_duration(microseconds: int) -> str:
    """Return the shortest exact text of a duration.

    >>> format_duration(86_400_000_000), format_duration(420_000_000), format_duration(0)
    ('1d', '7min', '0s')
    """
    if microseconds == 0:
        return "0s"
    for unit in ("d", "h", "min", "s", "ms"):
        if microseconds % MICROSECONDS[unit] == 0:
            return f"{microseconds // MICROSECONDS[unit]}{unit}"
    return f"{microseconds}us"
