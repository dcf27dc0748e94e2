"""What a customer's card is doing now: velocity, the last purchases, the running session."""

from datetime import timedelta

from feast import Field, StreamFeatureView
from feast.aggregation import Aggregation
from feast.types import Array, Float64, Int64

from entities import customer
from sources import transactions_into

MINUTES_10, HOUR, DAY, MONTH = timedelta(minutes=10), timedelta(hours=1), timedelta(days=1), timedelta(days=30)
WINDOWS = {"10m": MINUTES_10, "1h": HOUR, "24h": DAY}

customer_velocity = StreamFeatureView(
    name="customer_velocity",
    description="How often and how much a customer pays, over minutes to a day.",
    entities=[customer],
    source=transactions_into("customer_velocity"),
    timestamp_field="event_timestamp",
    aggregations=[
        Aggregation(column="amount", function=function, time_window=window, name=f"amount_{function}_{label}")
        for label, window in WINDOWS.items()
        for function in ("count", "sum", "mean", "max", "std")
    ],
    schema=[Field(name="customer_id", dtype=Int64)]
    + [
        Field(name=f"amount_{function}_{label}", dtype=Int64 if function == "count" else Float64)
        for label in WINDOWS
        for function in ("count", "sum", "mean", "max", "std")
    ],
    ttl=timedelta(days=90),
)

customer_sequence = StreamFeatureView(
    name="customer_sequence",
    description="The last ten purchases of a customer, oldest first, and how many terminals a day saw.",
    entities=[customer],
    source=transactions_into("customer_sequence"),
    timestamp_field="event_timestamp",
    aggregations=[
        Aggregation(column="amount", function="last_n(10)", time_window=MONTH, name="last_amounts"),
        Aggregation(column="terminal_id", function="last_n(10)", time_window=MONTH, name="last_terminals"),
        Aggregation(column="event_timestamp", function="last", time_window=MONTH, name="last_transaction_at"),
        Aggregation(column="terminal_id", function="count_distinct", time_window=DAY, name="terminals_24h"),
    ],
    schema=[
        Field(name="customer_id", dtype=Int64),
        Field(name="last_amounts", dtype=Array(Float64)),
        Field(name="last_terminals", dtype=Array(Int64)),
        Field(name="last_transaction_at", dtype=Int64, description="Microseconds since the epoch, UTC."),
        Field(name="terminals_24h", dtype=Int64),
    ],
    ttl=timedelta(days=90),
)

customer_session = StreamFeatureView(
    name="customer_session",
    description="The customer's running session: purchases less than 30 minutes apart.",
    entities=[customer],
    source=transactions_into("customer_session"),
    timestamp_field="event_timestamp",
    aggregations=[
        Aggregation(function="session_count(30min)", time_window=DAY, name="session_transactions"),
        Aggregation(function="session_duration(30min)", time_window=DAY, name="session_seconds"),
        Aggregation(column="amount", function="session_sum(30min)", time_window=DAY, name="session_amount"),
    ],
    schema=[
        Field(name="customer_id", dtype=Int64),
        Field(name="session_transactions", dtype=Int64),
        Field(name="session_seconds", dtype=Float64),
        Field(name="session_amount", dtype=Float64),
    ],
    ttl=timedelta(days=90),
)
