"""Finds what answers a path."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from serving.protocols.answer import Answer
from serving.protocols.described import Operation
from serving.protocols.request import Request

Handler = Callable[[Request], Awaitable[Answer]]

Scope = Literal["open", "read", "score", "admin"]
"""What a key must be allowed to do; `open` needs no key."""

OPEN: Final = "open"
READ: Final = "read"
SCORE: Final = "score"
ADMIN: Final = "admin"


@dataclass(frozen=True, slots=True)
class Route:
    """One route.

    Attributes:
        method: GET (and then HEAD as well) or POST.
        pattern: The path; `{name}` stands for one part of it, such as `/v1/score/{service}`.
        handle: What answers.
        scope: What a caller's key must allow.
        operations: Describes it: one operation, or where the pattern has names, one a path that there is. None leaves it
            without a description.
    """

    method: str
    pattern: str
    handle: Handler
    scope: Scope
    operations: Callable[[], Sequence[Operation]] | None = None


class Router:
    """Finds the route of a path; a trailing slash is passed over."""

    def __init__(self, routes: Sequence[Route]) -> None:
        """Sort out the plain paths, which a dictionary finds at once."""
        self._plain: dict[str, list[Route]] = {}
        self._patterns: dict[str, tuple[re.Pattern[str], list[Route]]] = {}
        for route in routes:
            if "{" not in route.pattern:
                self._plain.setdefault(route.pattern, []).append(route)
            else:
                pattern = re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", route.pattern))
                self._patterns.setdefault(route.pattern, (pattern, []))[1].append(route)
        self.patterns = tuple(dict.fromkeys(route.pattern for route in routes))

    def find(self, path: str) -> tuple[list[Route], dict[str, str]]:
        """Return the routes of a path, one a method, and the names in it; no routes for an unknown path."""
        found = self._plain.get(path)
        if found is not None:
            return found, {}
        path = path.rstrip("/") or "/"
        if path in self._plain:
            return self._plain[path], {}
        for pattern, routes in self._patterns.values():
            match = pattern.fullmatch(path)
            if match:
                return routes, match.groupdict()
        return [], {}
