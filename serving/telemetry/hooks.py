"""Everything that is told of requests, as one thing to hand over."""

from __future__ import annotations

from dataclasses import dataclass

from serving.metrics.replica import ReplicaMetrics
from serving.telemetry.json_lines import JsonLog
from serving.telemetry.traces import Traces


@dataclass(frozen=True, slots=True)
class Telemetry:
    """Who is told of each request; None of what is switched off costs anything.

    Attributes:
        metrics: Counts.
        log: Writes a line of JSON a request.
        traces: Begins and ends spans.
    """

    metrics: ReplicaMetrics | None = None
    log: JsonLog | None = None
    traces: Traces | None = None

    def start(self) -> None:
        """Begin to write and to send."""
        if self.log:
            self.log.start()
        if self.metrics:
            self.metrics.start()

    def stop(self) -> None:
        """Write and send what waits."""
        for one in (self.metrics, self.traces, self.log):
            if one:
                one.stop()
