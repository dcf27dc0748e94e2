"""What a terminal is doing now, and how often it turned out to be abused."""

from datetime import timedelta

from feast import Field, StreamFeatureView
from feast.aggregation import Aggregation
from feast.types import Float64, Int64

from entities import terminal
from sources import fraud_labels_into, transactions_into

VELOCITY = {"1h": timedelta(hours=1), "24h": timedelta(days=1)}
RISK = {"1d": timedelta(days=1), "7d": timedelta(days=7), "30d": timedelta(days=30)}

terminal_velocity = StreamFeatureView(
    name="terminal_velocity",
    description="How busy a terminal is.",
    entities=[terminal],
    source=transactions_into("terminal_velocity"),
    timestamp_field="event_timestamp",
    aggregations=[
        Aggregation(column="amount", function=function, time_window=window, name=f"amount_{function}_{label}")
        for label, window in VELOCITY.items()
        for function in ("count", "mean", "max")
    ],
    schema=[Field(name="terminal_id", dtype=Int64)]
    + [
        Field(name=f"amount_{function}_{label}", dtype=Int64 if function == "count" else Float64)
        for label in VELOCITY
        for function in ("count", "mean", "max")
    ],
    ttl=timedelta(days=90),
)

terminal_risk = StreamFeatureView(
    name="terminal_risk",
    description="Transactions and known frauds of a terminal, behind the seven days it takes to learn of a fraud.",
    entities=[terminal],
    source=fraud_labels_into("terminal_risk"),
    timestamp_field="event_timestamp",
    aggregations=[
        aggregation
        for label, window in RISK.items()
        for aggregation in (
            Aggregation(function="count", time_window=window, name=f"transactions_{label}"),
            Aggregation(column="is_fraud", function="sum", time_window=window, name=f"frauds_{label}"),
        )
    ],
    schema=[Field(name="terminal_id", dtype=Int64)]
    + [Field(name=f"{what}_{label}", dtype=Int64) for label in RISK for what in ("transactions", "frauds")],
    tags={"millrace.delay": "7d"},
    ttl=timedelta(days=120),
)
