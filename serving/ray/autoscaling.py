"""How many replicas there should be, by the requests in flight that replicas report themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from ray.serve.config import AutoscalingContext

IN_FLIGHT: Final = "requests_in_flight"
"""Under which name a replica reports them."""

POLICY: Final = "serving.ray.autoscaling:by_requests_in_flight"


def by_requests_in_flight(context: AutoscalingContext) -> tuple[float, dict[str, Any]]:
    """Ask for as many replicas as bring each to `target_ongoing_requests`; Ray Serve applies delays and bounds."""
    reported = (context.aggregated_metrics or {}).get(IN_FLIGHT, {})
    if not reported or context.config is None:
        return context.target_num_replicas, {}
    return sum(reported.values()) / context.config.target_ongoing_requests, {}
