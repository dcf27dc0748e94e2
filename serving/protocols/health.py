"""Whether the service lives, and whether it can score with all its features.

| request | answer |
|---|---|
| GET /healthz | 200 while the process lives |
| GET /readyz | 200, or 503 with the reasons, when it cannot score with all features |
"""

from __future__ import annotations

from collections.abc import Mapping

from serving.protocols.answer import Answer
from serving.protocols.request import Request
from serving.protocols.router import Route
from serving.scoring.scorer import Scorer


class Health:
    """Answers those who watch the service."""

    def __init__(self, scorers: Mapping[str, Scorer]) -> None:
        """Take the scorers by service."""
        self._scorers = scorers

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [Route("GET", "/healthz", self._alive), Route("GET", "/readyz", self._ready)]

    async def _alive(self, _: Request) -> Answer:
        return Answer({"status": "alive"})

    async def _ready(self, _: Request) -> Answer:
        reasons = sorted({reason for scorer in self._scorers.values() for reason in scorer.failures()})
        return Answer({"status": "not ready", "reasons": reasons}, 503) if reasons else Answer({"status": "ready"})
