"""What a customer usually does: computed once a day from the lake."""

from datetime import timedelta

import pandas as pd
from feast import BatchFeatureView, FeatureView, Field
from feast.aggregation import Aggregation
from feast.types import Float64, Int64

from entities import customer
from sources import feature_log, transactions_lake

DAY = timedelta(days=1)
WINDOWS = {"7d": timedelta(days=7), "30d": timedelta(days=30)}

transactions = FeatureView(
    name="transactions",
    description="The raw transactions in the lake: what batch views are computed from. Never online.",
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


def mark_night_and_weekend(events: pd.DataFrame) -> pd.DataFrame:
    """Add 1.0 or 0.0 for a purchase between midnight and six (UTC), and for one on a Saturday or Sunday."""
    at = events["event_timestamp"].dt
    return events.assign(night=(at.hour < 6).astype("float64"), weekend=(at.dayofweek >= 5).astype("float64"))


customer_profile = BatchFeatureView(
    name="customer_profile",
    description="A customer's habits over a week and a month, refreshed at midnight UTC.",
    entities=[customer],
    source=transactions,
    sink_source=feature_log("customer_profile"),
    mode="pandas",
    udf=mark_night_and_weekend,
    udf_string="mark_night_and_weekend",
    aggregations=[
        Aggregation(column="amount", function=f, time_window=window, slide_interval=DAY, name=f"amount_{f}_{label}")
        for label, window in WINDOWS.items()
        for f in ("count", "mean", "std", "max")
    ]
    + [
        Aggregation(
            column=when, function="mean", time_window=WINDOWS["30d"], slide_interval=DAY, name=f"{when}_share_30d"
        )
        for when in ("night", "weekend")
    ],
    schema=[Field(name="customer_id", dtype=Int64)]
    + [
        Field(name=f"amount_{f}_{label}", dtype=Int64 if f == "count" else Float64)
        for label in WINDOWS
        for f in ("count", "mean", "std", "max")
    ]
    + [Field(name=f"{when}_share_30d", dtype=Float64) for when in ("night", "weekend")],
    online=True,
    ttl=timedelta(days=90),
)
