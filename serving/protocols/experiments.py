"""Says how the experiments stand.

| request | answer |
|---|---|
| GET /v1/experiments | `{"experiments": [...]}`: of each, arms, weights, counts, measurements with intervals, and which arm is stopped and why |
| GET /v1/experiments/{service} | one of them |

What is answered is the report that the monitor has written last; its `at` says when.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import orjson

from serving.experiments.report import Json, report_path
from serving.protocols.answer import Answer, AnswerError
from serving.protocols.described import ERROR, Operation, Reply, Schema
from serving.protocols.request import Request
from serving.protocols.router import READ, Route

REPORT: Final[Schema] = {
    "type": "object",
    "required": ["service", "unit", "metric", "alpha", "at", "outcomes", "arms"],
    "properties": {
        "outcomes": {"type": "object", "required": ["told", "unmatched"]},
        "arms": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["alias", "version", "weight", "stopped", "counts", "metrics", "against_champion"],
            },
        },
    },
}
_ALL: Final = Operation(
    "How the experiments stand",
    "v1",
    {200: Reply("those that are declared", {"type": "object", "properties": {"experiments": {"items": REPORT}}})},
)


class Experiments:
    """Answers those who follow an experiment.

    Args:
        data: The data folder, where the reports are.
        services: The services that are served.
    """

    def __init__(self, data: Path, services: Sequence[str]) -> None:
        self._data = data
        self._services = services

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("GET", "/v1/experiments", self._all, READ, lambda: [_ALL]),
            Route("GET", "/v1/experiments/{service}", self._one, READ, self._described),
        ]

    def _described(self) -> list[Operation]:
        replies = {200: Reply("how it stands", REPORT), 404: Reply("none is declared", ERROR)}
        return [
            Operation(f"How the experiment of {name} stands", "v1", replies, path=f"/v1/experiments/{name}")
            for name in self._services
        ]

    async def _all(self, _: Request) -> Answer:
        reports = [await asyncio.to_thread(self._read, service) for service in self._services]
        return Answer({"experiments": [one for one in reports if one is not None]})

    async def _one(self, request: Request) -> Answer:
        service = request.names["service"]
        report = await asyncio.to_thread(self._read, service) if service in self._services else None
        if report is None:
            raise AnswerError(404, f"{service} has no experiment; declare one in serving.yaml, under experiment")
        return Answer(report)

    def _read(self, service: str) -> Json | None:
        try:
            report: Json = orjson.loads(report_path(self._data, service).read_bytes())
        except FileNotFoundError:
            return None
        return report
