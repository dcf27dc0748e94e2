"""Whether the service lives, and whether it can score with all its features.

| request | answer |
|---|---|
| GET /healthz | 200 while the process lives |
| GET /readyz | 200, or 503 with the reasons, when it cannot score with all features |
"""

from __future__ import annotations

from collections.abc import Mapping

from serving.protocols.http import Names, Receive, Route
from serving.scoring.scorer import Scorer


class Health:
    """Answers those who watch the service."""

    def __init__(self, scorers: Mapping[str, Scorer]) -> None:
        """Take the scorers by service."""
        self._scorers = scorers

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [Route("GET", "/healthz", self._alive), Route("GET", "/readyz", self._ready)]

    async def _alive(self, _: Receive, __: Names) -> tuple[int, object]:
        return 200, {"status": "alive"}

    async def _ready(self, _: Receive, __: Names) -> tuple[int, object]:
        reasons = sorted({reason for scorer in self._scorers.values() for reason in scorer.failures()})
        return (503, {"status": "not ready", "reasons": reasons}) if reasons else (200, {"status": "ready"})
