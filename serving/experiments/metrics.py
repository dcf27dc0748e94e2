"""What is measured of each arm's decisions: every measurement is a mean over decisions that have it.

The texts are DuckDB's, over one row a decision; `serving.experiments.measure` says what the columns are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

MetricName = Literal[
    "accept_rate",
    "outcome_rate",
    "catch_rate",
    "miss_rate",
    "saved",
    "lost",
    "log_loss",
    "auroc",
    "degraded_rate",
    "latency_ms",
]

NEEDS_ACCEPT: Final = ("accept_rate", "catch_rate", "miss_rate", "saved", "lost")
NEEDS_VALUE: Final = ("saved", "lost")


@dataclass(frozen=True, slots=True)
class Metric:
    """One measurement.

    Attributes:
        what: In words.
        value: A decision's value.
        of: Which decisions have it.
        better: Whether more or less of it is better.
    """

    what: str
    value: str
    of: str
    better: Literal["more", "less"]


METRICS: Final[Mapping[MetricName, Metric]] = {
    "accept_rate": Metric("decisions that accept", "is_accepted::INT", "decision IS NOT NULL", "more"),
    "outcome_rate": Metric("known outcomes that are positive (of a number: their mean)", "outcome", "is_known", "more"),
    "catch_rate": Metric("positives that were not accepted", "(NOT is_accepted)::INT", "is_positive", "more"),
    "miss_rate": Metric(
        "decisions with a known outcome that accepted a positive",
        "(is_positive AND is_accepted)::INT",
        "is_known",
        "less",
    ),
    "saved": Metric(
        "at stake in positives that were not accepted, a decision with a known outcome",
        "CASE WHEN is_positive AND NOT is_accepted THEN stake ELSE 0 END",
        "is_known",
        "more",
    ),
    "lost": Metric(
        "at stake in positives that were accepted, a decision with a known outcome",
        "CASE WHEN is_positive AND is_accepted THEN stake ELSE 0 END",
        "is_known",
        "less",
    ),
    "log_loss": Metric(
        "of scores against known outcomes",
        "-ln(CASE WHEN is_positive THEN probability ELSE 1 - probability END)",
        "is_known",
        "less",
    ),
    "degraded_rate": Metric("decisions without all their features", "degraded::INT", "TRUE", "less"),
    "latency_ms": Metric(
        "from arrival to decision, milliseconds", "latency_us / 1000", "latency_us IS NOT NULL", "less"
    ),
}
"""Measured by sums; `auroc` is not one (`serving.experiments.auroc`)."""


def better(metric: MetricName) -> Literal["more", "less"]:
    """Say whether more or less of it is better."""
    return "more" if metric == "auroc" else METRICS[metric].better
