"""Features that need the transaction itself: computed at request time, and the same way for a training set.

Their functions take a frame, as Feast hands it, or NumPy arrays, as serving does (tag `millrace.takes`).
"""

import pandas as pd
from feast import Field, RequestSource
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Float64, Int64, UnixTimestamp

from customer_views import customer_sequence, customer_velocity
from profile_views import customer_profile

transaction = RequestSource(
    name="transaction",
    description="The transaction to decide on. Feast reads a field named like a join key as the key, so the terminal"
    " comes twice; the tag says which event column fills the copy.",
    schema=[
        Field(name="amount", dtype=Float64),
        Field(name="event_timestamp", dtype=UnixTimestamp),
        Field(name="this_terminal", dtype=Int64),
    ],
    tags={"millrace.fill.this_terminal": "terminal_id"},
)


@on_demand_feature_view(
    sources=[transaction],
    schema=[
        Field(name="amount_now", dtype=Float64),
        Field(name="is_night", dtype=Int64),
        Field(name="is_weekend", dtype=Int64),
    ],
    mode="pandas",
    tags={"millrace.takes": "arrays"},
)
def transaction_context(inputs: pd.DataFrame) -> pd.DataFrame:
    """What the transaction says of itself; night is before six (UTC), the weekend Saturday and Sunday."""
    from contract.arrays import columns_like, day_of_week, floats, hour_of_day, micros

    at = micros(inputs["event_timestamp"])
    return columns_like(
        inputs,
        amount_now=floats(inputs["amount"]),
        is_night=(hour_of_day(at) < 6).astype("int64"),
        is_weekend=(day_of_week(at) >= 5).astype("int64"),
    )


@on_demand_feature_view(
    sources=[transaction, customer_velocity, customer_profile],
    schema=[
        Field(name="amount_over_mean_30d", dtype=Float64),
        Field(name="amount_z_30d", dtype=Float64),
        Field(name="amount_over_mean_24h", dtype=Float64),
    ],
    mode="pandas",
    tags={"millrace.takes": "arrays"},
)
def amount_against_habit(inputs: pd.DataFrame) -> pd.DataFrame:
    """The amount against the customer's own mean and spread; null where the customer has none yet."""
    from contract.arrays import columns_like, floats, ratio

    amount, mean = floats(inputs["amount"]), floats(inputs["amount_mean_30d"])
    return columns_like(
        inputs,
        amount_over_mean_30d=ratio(amount, mean),
        amount_z_30d=ratio(amount - mean, floats(inputs["amount_std_30d"])),
        amount_over_mean_24h=ratio(amount, floats(inputs["amount_mean_24h"])),
    )


@on_demand_feature_view(
    sources=[transaction, customer_sequence],
    schema=[
        Field(name="seconds_since_last", dtype=Float64),
        Field(name="terminal_among_last_ten", dtype=Int64),
    ],
    mode="pandas",
    tags={"millrace.takes": "arrays"},
)
def against_last_purchases(inputs: pd.DataFrame) -> pd.DataFrame:
    """Seconds since the customer's last purchase, and whether this terminal is among the last ten."""
    from contract.arrays import columns_like, occurrences
    from contract.elapsed import seconds_since

    times, _ = occurrences(inputs["last_terminals"], inputs["this_terminal"])
    return columns_like(
        inputs,
        seconds_since_last=seconds_since(inputs["last_transaction_at"], inputs["event_timestamp"]),
        terminal_among_last_ten=(times > 0).astype("int64"),
    )
