"""Whether the service lives, and whether it can score.

| request | answer |
|---|---|
| GET /healthz | 200 while the process lives |
| GET /readyz | 200 while it can score: also without the online store, since the policy says what is decided then |

`/readyz` names what is amiss under `degraded`. A service that is away for all its replicas at once, since they share a store, is
worse than one that answers from what it has.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Final

from serving.protocols.answer import Answer
from serving.protocols.described import Operation, Reply
from serving.protocols.request import Request
from serving.protocols.router import OPEN, Route
from serving.scoring.scorer import Scorer


class Health:
    """Answers those who watch the service."""

    def __init__(self, scorers: Mapping[str, Scorer]) -> None:
        """Take the scorers by service."""
        self._scorers = scorers

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("GET", "/healthz", self._alive, OPEN, lambda: [_ALIVE]),
            Route("GET", "/readyz", self._ready, OPEN, lambda: [_READY]),
        ]

    async def _alive(self, _: Request) -> Answer:
        return Answer({"status": "alive"})

    async def _ready(self, _: Request) -> Answer:
        failures = await asyncio.to_thread(lambda: {scorer.failure() for scorer in self._scorers.values()})
        reasons = sorted(one for one in failures if one)
        return Answer({"status": "ready", **({"degraded": reasons} if reasons else {})})


_ALIVE: Final = Operation(
    "Whether the service lives",
    "health",
    {200: Reply("it does", {"required": ["status"], "properties": {"status": {"const": "alive"}}})},
)
_AMISS: Final = {"type": "array", "items": {"type": "string"}, "description": "why not all features can be read now"}
_READY: Final = Operation(
    "Whether it can score",
    "health",
    {200: Reply("it can", {"required": ["status"], "properties": {"status": {"const": "ready"}, "degraded": _AMISS}})},
)
