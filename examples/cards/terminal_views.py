"""How the payments at a terminal turned out, as far as that is known."""

from datetime import timedelta

import pandas as pd
from feast import Field, StreamFeatureView
from feast.aggregation import Aggregation
from feast.types import Int64

from entities import terminal
from sources import fraud_labels_into

DAY = timedelta(days=1)
OUTCOMES = {"3d": 3 * DAY, "14d": 14 * DAY, "28d": 28 * DAY}
FROM_WHEN = {
    "first_fraud_at": ("fraud_at", "first", 28 * DAY),
    "last_fraud_at": ("fraud_at", "last", 28 * DAY),
    "last_genuine_at": ("genuine_at", "last", 60 * DAY),
}


def part_by_outcome(events: pd.DataFrame) -> pd.DataFrame:
    """Add the time of a fraud and that of a genuine payment, each null for the other."""
    at, fraud = events["event_timestamp"], events["is_fraud"] == 1
    return events.assign(fraud_at=at.where(fraud), genuine_at=at.where(~fraud))


terminal_outcomes = StreamFeatureView(
    name="terminal_outcomes",
    description="How a terminal's known payments turned out and since when, behind the seven days it takes to learn of a fraud.",
    entities=[terminal],
    source=fraud_labels_into("terminal_outcomes"),
    timestamp_field="event_timestamp",
    mode="pandas",
    udf=part_by_outcome,
    udf_string="part_by_outcome",
    aggregations=[
        Aggregation(column=column, function=function, time_window=window, name=name)
        for name, (column, function, window) in FROM_WHEN.items()
    ]
    + [Aggregation(column="is_fraud", function="last", time_window=60 * DAY, name="last_outcome")]
    + [
        aggregation
        for label, window in OUTCOMES.items()
        for aggregation in (
            Aggregation(function="count", time_window=window, name=f"transactions_{label}"),
            Aggregation(column="is_fraud", function="sum", time_window=window, name=f"frauds_{label}"),
        )
    ],
    schema=[Field(name="terminal_id", dtype=Int64)]
    + [Field(name=name, dtype=Int64, description="Microseconds since the epoch, UTC.") for name in FROM_WHEN]
    + [Field(name="last_outcome", dtype=Int64)]
    + [Field(name=f"{what}_{label}", dtype=Int64) for label in OUTCOMES for what in ("transactions", "frauds")],
    tags={"millrace.delay": "7d"},
    ttl=timedelta(days=120),
)
