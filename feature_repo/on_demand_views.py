"""Features that need the transaction itself: computed at request time, and the same way for a training set."""

import numpy as np
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
)
def transaction_context(inputs: pd.DataFrame) -> pd.DataFrame:
    """What the transaction says of itself; night is before six (UTC), the weekend Saturday and Sunday."""
    at = pd.to_datetime(inputs["event_timestamp"], utc=True).dt
    out = pd.DataFrame(index=inputs.index)
    out["amount_now"] = inputs["amount"].astype("float64")
    out["is_night"] = (at.hour < 6).astype("int64")
    out["is_weekend"] = (at.dayofweek >= 5).astype("int64")
    return out


@on_demand_feature_view(
    sources=[transaction, customer_velocity, customer_profile],
    schema=[
        Field(name="amount_over_mean_30d", dtype=Float64),
        Field(name="amount_z_30d", dtype=Float64),
        Field(name="amount_over_mean_24h", dtype=Float64),
    ],
    mode="pandas",
)
def amount_against_habit(inputs: pd.DataFrame) -> pd.DataFrame:
    """The amount against the customer's own mean and spread; null where the customer has none yet."""
    amount = inputs["amount"].astype("float64")
    mean = pd.to_numeric(inputs["amount_mean_30d"]).astype("float64")
    spread = pd.to_numeric(inputs["amount_std_30d"]).astype("float64")
    day = pd.to_numeric(inputs["amount_mean_24h"]).astype("float64")
    out = pd.DataFrame(index=inputs.index)
    out["amount_over_mean_30d"] = amount / mean.where(mean > 0)
    out["amount_z_30d"] = (amount - mean) / spread.where(spread > 0)
    out["amount_over_mean_24h"] = amount / day.where(day > 0)
    return out


@on_demand_feature_view(
    sources=[transaction, customer_sequence],
    schema=[
        Field(name="seconds_since_last", dtype=Float64),
        Field(name="terminal_among_last_ten", dtype=Int64),
    ],
    mode="pandas",
)
def against_last_purchases(inputs: pd.DataFrame) -> pd.DataFrame:
    """Seconds since the customer's last purchase, and whether this terminal is among the last ten."""
    from contract.elapsed import seconds_since  # Feast runs the function by its text alone

    out = pd.DataFrame(index=inputs.index)
    out["seconds_since_last"] = seconds_since(inputs["last_transaction_at"], inputs["event_timestamp"])
    out["terminal_among_last_ten"] = np.array(
        [
            int(seen is not None and not np.isscalar(seen) and terminal in seen)
            for terminal, seen in zip(inputs["this_terminal"], inputs["last_terminals"], strict=True)
        ],
        dtype="int64",
    )
    return out
