"""What stands in the brackets of a function: `last_n(10, shop)`, `count_by('no, thanks')`."""

from __future__ import annotations

import re

MOST_VALUES = 1000
"""How many values a list may hold: each entity keeps as many."""


class FunctionError(ValueError):
    """A function that does not exist, or whose argument is wrong."""


def split_arguments(inside: str) -> list[str]:
    """Return the parts between commas; a comma inside quotes is none.

    >>> split_arguments("30min, 'a, b'")
    ['30min', "'a, b'"]
    """
    parts = re.findall(r"""(?:[^,'"]|'[^']*'|"[^"]*"|['"])+""", inside)
    return [part.strip() for part in parts]


def unquoted(text: str) -> str:
    """Return a text without the quotes around it, if it has any.

    >>> unquoted("'a'"), unquoted("a")
    ('a', 'a')
    """
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" else text


def read_number(text: str, arguments: list[str], example: str) -> int:
    """Return how many values a function keeps, its first argument.

    Raises:
        FunctionError: It is missing, no whole number, or too large.
    """
    if not arguments or not arguments[0].isdecimal() or not 1 <= int(arguments[0]) <= MOST_VALUES:
        raise FunctionError(f"{text!r} needs how many values to keep, 1 to {MOST_VALUES}; write such as {example}.")
    return int(arguments[0])


def refuse_more(text: str, arguments: list[str], wanted: int, example: str) -> None:
    """Refuse arguments beyond those wanted.

    Raises:
        FunctionError: There are more.
    """
    if len(arguments) > wanted:
        raise FunctionError(f"{text!r} has too much in brackets; write such as {example}.")
