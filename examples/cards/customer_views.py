"""What a customer usually pays, and what in the last days."""

from datetime import timedelta

from feast import BatchFeatureView, FeatureView, Field, StreamFeatureView
from feast.aggregation import Aggregation
from feast.types import Float64, Int64

from entities import customer
from sources import feature_log, transactions_into, transactions_lake

DAY = timedelta(days=1)
HABIT = {"count": "count", "mean": "mean"} | {f"q{q}": f"approx_quantile(0.{q})" for q in (25, 50, 75, 90)}
RECENT = [(days, function) for days in (3, 7, 14) for function in ("mean", "max", "std")]

transactions = FeatureView(
    name="transactions",
    description="The raw payments in the lake: what batch views are computed from. Never online.",
    entities=[customer],
    source=transactions_lake,
    schema=[
        Field(name="customer_id", dtype=Int64),
        Field(name="transaction_id", dtype=Int64),
        Field(name="terminal_id", dtype=Int64),
        Field(name="amount", dtype=Float64),
    ],
    online=False,
)

customer_habit = BatchFeatureView(
    name="customer_habit",
    description="What payments of a customer are like over three months, refreshed at midnight UTC. Quantiles, for a few large"
    " payments move a mean and not them.",
    entities=[customer],
    source=transactions,
    sink_source=feature_log("customer_habit"),
    aggregations=[
        Aggregation(
            column="amount", function=function, time_window=90 * DAY, slide_interval=DAY, name=f"amount_{name}_90d"
        )
        for name, function in HABIT.items()
    ],
    schema=[Field(name="customer_id", dtype=Int64)]
    + [Field(name=f"amount_{name}_90d", dtype=Int64 if name == "count" else Float64) for name in HABIT],
    online=True,
    ttl=timedelta(days=90),
)

customer_fortnight = StreamFeatureView(
    name="customer_fortnight",
    description="What a customer paid in the last days, up to a fortnight.",
    entities=[customer],
    source=transactions_into("customer_fortnight"),
    timestamp_field="event_timestamp",
    aggregations=[
        Aggregation(column="amount", function=function, time_window=days * DAY, name=f"amount_{function}_{days}d")
        for days, function in RECENT
    ],
    schema=[Field(name="customer_id", dtype=Int64)]
    + [Field(name=f"amount_{function}_{days}d", dtype=Float64) for days, function in RECENT],
    ttl=timedelta(days=90),
)
