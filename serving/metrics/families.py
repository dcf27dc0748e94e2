"""The metrics there are: names, labels, buckets, and how replicas' numbers become one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

LATENCY_S: Final = (
    *(0.0005, 0.001, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015, 0.02, 0.03, 0.05, 0.075),
    *(0.1, 0.15, 0.2, 0.3, 0.5, 1.0, 2.5),
)
SCORE: Final = (0.001, 0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0)
ROWS: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0)
AGE_S: Final = (0.1, 0.5, 1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 21600.0, 86400.0, 604800.0, 2592000.0)


@dataclass(frozen=True, slots=True)
class Family:
    """One metric.

    Attributes:
        name: As Prometheus knows it.
        kind: A counter only grows, and keeps what dead replicas counted; a gauge is of those that live.
        help: What it says.
        labels: Its labels, in order.
        bounds: Of a histogram, the upper ends of its buckets, which belong to them; the last, open bucket is left out.
        merge: Whether replicas' gauges are added up, or the largest counts.
    """

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    labels: tuple[str, ...] = ()
    bounds: tuple[float, ...] = ()
    merge: Literal["sum", "max"] = "sum"


REQUESTS: Final = Family(
    "http_requests_total",
    "counter",
    "Requests answered; those refused at once are in millrace_rejected_total.",
    ("method", "route", "status"),
)
DURATION: Final = Family(
    "http_request_duration_seconds", "histogram", "From a request's head to its answer.", ("method", "route"), LATENCY_S
)
IN_FLIGHT: Final = Family("millrace_requests_in_flight", "gauge", "Requests under way.")
LIMIT: Final = Family("millrace_admission_limit", "gauge", "How many requests may be under way.")
REJECTED: Final = Family("millrace_rejected_total", "counter", "Requests refused at once, with 429.")
REPLICAS: Final = Family("millrace_replicas", "gauge", "Replicas that live on this machine.")
DECISIONS: Final = Family(
    "millrace_decisions_total",
    "counter",
    "Decisions; without a policy the decision is empty.",
    ("service", "decision", "arm"),
)
SCORES: Final = Family("millrace_scores", "histogram", "Scores given.", ("service",), SCORE)
STAGES: Final = Family(
    "millrace_stage_seconds_total", "counter", "Seconds that batches spent in a stage.", ("service", "stage")
)
BATCH_ROWS: Final = Family("millrace_batch_rows", "histogram", "Rows scored together.", ("service",), ROWS)
DEGRADED: Final = Family(
    "millrace_degraded_total", "counter", "Rows scored without all that they should rest on.", ("service",)
)
MISSING: Final = Family(
    "millrace_missing_features_total", "counter", "Stored features without a row behind them.", ("service", "reason")
)
STALE: Final = Family(
    "millrace_stale_features_total",
    "counter",
    "Rows scored with a view older than max_feature_age.",
    ("service", "view"),
)
AGE: Final = Family(
    "millrace_feature_age_seconds",
    "histogram",
    "From the change that a view's values hold since to the request; a sample of batches.",
    ("view",),
    AGE_S,
)
COMPLETE: Final = Family(
    "millrace_view_complete_timestamp_seconds",
    "gauge",
    "Up to when the stream has brought a view, Unix seconds.",
    ("view",),
    merge="max",
)
CACHE: Final = Family(
    "millrace_cache_requests_total",
    "counter",
    "What a cache was asked for and how it ended.",
    ("service", "cache", "result"),
)
CACHE_BYTES: Final = Family("millrace_cache_bytes", "gauge", "What a cache holds.", ("service", "cache"))
STORE: Final = Family(
    "millrace_store_calls_total", "counter", "What reads of the online store did.", ("service", "tier", "result")
)
BREAKER_OPEN: Final = Family(
    "millrace_breaker_open", "gauge", "Breakers that let no call through.", ("service", "breaker")
)
BREAKER_OPENED: Final = Family(
    "millrace_breaker_opened_total", "counter", "Breakers that opened.", ("service", "breaker")
)
BREAKER_REFUSED: Final = Family(
    "millrace_breaker_refused_total", "counter", "Calls that a breaker did not let through.", ("service", "breaker")
)
MODEL: Final = Family(
    "millrace_model_info", "gauge", "Which model scores.", ("service", "alias", "version"), merge="max"
)
DRIFT: Final = Family(
    "millrace_drift",
    "gauge",
    "How far a served day is from what was trained on: psi, ks, js or missing.",
    ("service", "feature", "measure"),
    merge="max",
)
DRIFT_ALERT: Final = Family(
    "millrace_drift_alert", "gauge", "Whether a column has drifted: 1 or 0.", ("service", "feature"), merge="max"
)
LOG_WRITTEN: Final = Family(
    "millrace_decision_log_written_total", "counter", "Decisions written to the record.", ("service",)
)
LOG_DROPPED: Final = Family(
    "millrace_decision_log_dropped_total", "counter", "Decisions that the record had no room for.", ("service",)
)

FAMILIES: Final = {
    one.name: one
    for one in (
        *(
            REQUESTS,
            DURATION,
            IN_FLIGHT,
            LIMIT,
            REJECTED,
            REPLICAS,
            DECISIONS,
            SCORES,
            BATCH_ROWS,
            STAGES,
            DEGRADED,
            MISSING,
        ),
        *(STALE, AGE, COMPLETE, CACHE, CACHE_BYTES, STORE, BREAKER_OPEN, BREAKER_OPENED, BREAKER_REFUSED, MODEL),
        *(LOG_WRITTEN, LOG_DROPPED, DRIFT, DRIFT_ALERT),
    )
}
"""All of them by name, in the order in which they are shown."""
