"""What the service does, for machines and for people who look now.

| request | answer |
|---|---|
| GET /metrics | the numbers of all replicas of this machine, as Prometheus reads them |
| GET /v1/activity | the last minutes in steps, with latencies |
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from serving.metrics.counts import Counts, quantile
from serving.metrics.exposition import CONTENT_TYPE, exposition
from serving.metrics.families import IN_FLIGHT, LATENCY_S, LIMIT, MODEL, REJECTED, REPLICAS
from serving.metrics.recent import STEP_S, merge_points
from serving.metrics.replica import ReplicaMetrics, Source
from serving.protocols.admission import Admission
from serving.protocols.answer import Answer
from serving.protocols.described import Operation, Reply
from serving.protocols.request import Request
from serving.protocols.router import READ, Route


def admission_source(admission: Admission) -> Source:
    """Return what sets the numbers of admission."""

    def set_numbers(counts: Counts) -> None:
        counts.numbers(IN_FLIGHT)[()] = admission.in_flight
        counts.numbers(LIMIT)[()] = admission.limit
        counts.numbers(REJECTED)[()] = admission.rejected

    return set_numbers


class MetricsRoutes:
    """Answers with the numbers of all replicas."""

    def __init__(self, metrics: ReplicaMetrics) -> None:
        """Take this replica's numbers; the others' are found by its folder."""
        self._metrics = metrics

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("GET", "/metrics", self._show, READ, lambda: [_METRICS]),
            Route("GET", "/v1/activity", self._tell, READ, lambda: [_ACTIVITY]),
        ]

    async def _show(self, _: Request) -> Answer:
        return Answer(await asyncio.to_thread(self._exposition), content_type=CONTENT_TYPE)

    async def _tell(self, _: Request) -> Answer:
        return Answer(await asyncio.to_thread(self._activity))

    def _exposition(self) -> bytes:
        self._metrics.refresh()
        return exposition(self._metrics.shared.sum())

    def _activity(self) -> dict[str, Any]:
        self._metrics.refresh()
        found = self._metrics.shared.read()
        gauges: dict[str, float] = {}
        models: dict[str, dict[str, str]] = {}
        for dumped, alive in found:
            for family in (IN_FLIGHT, LIMIT, REPLICAS) if alive else ():
                for _, value in dumped["numbers"].get(family.name, ()):
                    gauges[family.name] = gauges.get(family.name, 0) + value
            for (service, alias, version), _ in dumped["numbers"].get(MODEL.name, ()) if alive else ():
                models.setdefault(service, {})[alias] = version
        points = merge_points(dumped.get("recent", ()) for dumped, _ in found)
        for point in points:
            durations = point.pop("durations")
            for name, q in (("p50_ms", 0.5), ("p99_ms", 0.99)):
                seconds = quantile(LATENCY_S, durations, q)
                point[name] = None if seconds is None else round(seconds * 1000, 3)
        return {
            "step_seconds": STEP_S,
            "replicas": int(gauges.get(REPLICAS.name, 0)),
            "in_flight": int(gauges.get(IN_FLIGHT.name, 0)),
            "admission_limit": int(gauges.get(LIMIT.name, 0)),
            "models": models,
            "points": points,
        }


_METRICS: Final = Operation(
    "The numbers of all replicas of this machine",
    "watching",
    {200: Reply("Prometheus' text format", {"type": "string"}, CONTENT_TYPE.decode())},
)
_NUMBER: Final = {"type": "number", "minimum": 0}
_WHOLE: Final = {"type": "integer", "minimum": 0}
_BY_NAME: Final = {"type": "object", "additionalProperties": _NUMBER}
_LATENCY: Final = {"type": ["number", "null"], "description": "null where nothing was asked"}
_POINT: Final = {
    "type": "object",
    "required": ["at", "requests", "errors", "rejected", "rows", "degraded", "stale", "decisions", "p50_ms", "p99_ms"],
    "properties": {
        "at": {**_WHOLE, "description": "the end of the step, Unix seconds"},
        **{name: _NUMBER for name in ("requests", "errors", "rejected", "rows", "degraded", "stale")},
        **{name: _BY_NAME for name in ("decisions", "cache")},
        **{name: _LATENCY for name in ("p50_ms", "p99_ms")},
    },
}
_ACTIVITY: Final = Operation(
    "What went on in the last ten minutes",
    "watching",
    {
        200: Reply(
            "steps, the oldest first, of POST requests and what they gave",
            {
                "type": "object",
                "required": ["step_seconds", "replicas", "in_flight", "admission_limit", "models", "points"],
                "properties": {
                    **{name: _WHOLE for name in ("step_seconds", "replicas", "in_flight", "admission_limit")},
                    "models": {"type": "object", "description": "by service and alias, the version"},
                    "points": {"type": "array", "items": _POINT},
                },
            },
        )
    },
)
