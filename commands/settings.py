"""Reads a command's settings from the environment, where make puts them."""

from __future__ import annotations

import os
from datetime import date

from contract.durations import parse_duration


class SettingError(ValueError):
    """A setting that is not what it must be."""


def read_whole(name: str, default: int) -> int:
    """Return a whole number of at least 1.

    Raises:
        SettingError: It is not one.
    """
    text = os.environ.get(name) or str(default)
    if not text.isdecimal() or int(text) < 1:
        raise SettingError(f"{name}={text}: not a whole number of at least 1; write such as {name}={default or 1}.")
    return int(text)


def read_number(name: str, default: float) -> float:
    """Return a number above 0.

    Raises:
        SettingError: It is not one.
    """
    text = os.environ.get(name) or str(default)
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise SettingError(f"{name}={text}: not a number above 0; write such as {name}={default:g}.")
    return number


def read_day(name: str) -> date | None:
    """Return a day such as 2026-01-31; None where the setting is not given.

    Raises:
        SettingError: It is not one.
    """
    text = os.environ.get(name)
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise SettingError(f"{name}={text}: not a day; write such as {name}=2026-01-31.") from None


def read_duration(name: str, default: int) -> int:
    """Return a duration in microseconds.

    Raises:
        SettingError: It is no duration.
    """
    text = os.environ.get(name)
    try:
        return parse_duration(text) if text else default
    except ValueError as error:
        raise SettingError(f"{name}: {error}") from None
