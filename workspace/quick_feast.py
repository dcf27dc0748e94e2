"""Imports Feast in a third of the time.

Feast has the methods of its classes checked by typeguard, which reads and compiles the whole source file again for each of
them: five of seven seconds, in every process. What such a check is good for is what a user writes, and that is given to
constructors. So a class has its constructor instrumented when its first object is made, and nothing else.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any


def quicken_feast() -> None:
    """Import Feast so that only constructors are checked, each from its first call on.

    A wrong argument raises the same `typeguard.TypeCheckError`. Where Feast has been imported already nothing changes.
    """
    if "feast" in sys.modules:
        return
    try:
        import typeguard
    except ImportError:  # a Feast that checks in another way
        return
    checked = typeguard.typechecked
    typeguard.typechecked = checking_constructors(checked)
    try:
        import feast  # noqa: F401 - its classes are decorated meanwhile
    finally:
        typeguard.typechecked = checked


def checking_constructors(checked: Callable[[Any], Any]) -> Any:
    """Return a decorator that leaves a class as it is but for its constructor, which `checked` gets at its first call.

    What is no class, and a class whose constructor is inherited, is left to `checked` or left alone.
    """

    def decorate(target: Any) -> Any:
        if not isinstance(target, type):
            return checked(target)
        plain = target.__dict__.get("__init__")
        if getattr(plain, "__qualname__", "") == f"{target.__qualname__}.__init__":
            target.__init__ = _checked_from_first_call(target, plain, checked)  # type: ignore[misc]
        return target

    return decorate


def _checked_from_first_call(owner: type, plain: Any, checked: Callable[[Any], Any]) -> Any:
    @functools.wraps(plain)
    def first(self: Any, *given: Any, **named: Any) -> None:
        instrumented = checked(plain)
        owner.__init__ = instrumented  # type: ignore[misc]
        instrumented(self, *given, **named)

    return first
