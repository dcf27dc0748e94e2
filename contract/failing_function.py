"""Says where an on-demand view's function failed, and what to write instead.

Feast runs such a function by the text that its registry keeps, so its lines belong to no file, and a trace shows none.
"""

from __future__ import annotations

import sysconfig
import traceback
from pathlib import Path

_LIBRARIES = ("site-packages", sysconfig.get_path("stdlib"), "<frozen")
_TEXT = "<string>"


def failing_line(error: BaseException, function: str, source: str) -> str:
    """Name the deepest line of the trace that is not a library's.

    Args:
        error: What was raised.
        function: The function's name.
        source: Its text in the registry, decorators included.

    >>> try:
    ...     exec("def half(x):\\n    return x / 0\\nhalf(1)")
    ... except ZeroDivisionError as error:
    ...     print(failing_line(error, "half", "@view\\ndef half(x):\\n    return x / 0"))
    line 2 of half: return x / 0
    """
    own = [one for one in traceback.extract_tb(error.__traceback__) if not any(at in one.filename for at in _LIBRARIES)]
    text = next((one for one in reversed(own) if one.filename == _TEXT), None)
    if own and own[-1].filename != _TEXT and text is None:
        return f"{Path(own[-1].filename).name}, line {own[-1].lineno}: {own[-1].line}"
    lines = source[max(source.find("def "), 0) :].splitlines()
    number = text.lineno or 0 if text else 0
    if not 0 < number <= len(lines):
        return f"in {function}"
    return f"line {number} of {function}: {lines[number - 1].strip()}"


def advice(error: BaseException) -> str:
    """Say what to write instead.

    >>> advice(NameError("name 'helper' is not defined"))[:52]
    'Feast runs the function by its text alone, with only'
    """
    if isinstance(error, NameError):
        return "Feast runs the function by its text alone, with only pd and np: define or import what else it needs inside it."
    return "Let the function give null where an input is null."
