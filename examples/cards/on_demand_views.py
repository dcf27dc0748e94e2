"""The payment against what takes weeks to tell, computed at request time; functions take frames or NumPy arrays."""

import pandas as pd
from feast import Field, RequestSource
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Float64, Int64, UnixTimestamp

from customer_views import RECENT, customer_fortnight, customer_habit
from terminal_views import OUTCOMES, terminal_outcomes

transaction = RequestSource(
    name="transaction",
    description="The payment to decide on.",
    schema=[Field(name="amount", dtype=Float64), Field(name="event_timestamp", dtype=UnixTimestamp)],
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
    """What the payment says of itself; night is before six (UTC), the weekend Saturday and Sunday."""
    from contract.arrays import columns_like, day_of_week, floats, hour_of_day, micros

    at = micros(inputs["event_timestamp"])
    return columns_like(
        inputs,
        amount_now=floats(inputs["amount"]),
        is_night=(hour_of_day(at) < 6).astype("int64"),
        is_weekend=(day_of_week(at) >= 5).astype("int64"),
    )


@on_demand_feature_view(
    sources=[transaction, customer_habit, customer_fortnight],
    schema=[Field(name=f"amount_over_{name}_90d", dtype=Float64) for name in ("mean", "q25", "q50", "q75", "q90")]
    + [Field(name=f"{function}_{days}d_over_q50_90d", dtype=Float64) for days, function in RECENT],
    mode="pandas",
    tags={"millrace.takes": "arrays"},
)
def against_long_habit(inputs: pd.DataFrame) -> pd.DataFrame:
    """The amount, and the payments of the last days, against what the customer usually pays; null where that is not known."""
    from contract.arrays import columns_like, floats, ratio

    amount, usual = floats(inputs["amount"]), floats(inputs["amount_q50_90d"])
    now = {
        f"amount_over_{name}_90d": ratio(amount, floats(inputs[f"amount_{name}_90d"]))
        for name in ("mean", "q25", "q50", "q75", "q90")
    }
    recent = {
        f"{function}_{days}d_over_q50_90d": ratio(floats(inputs[f"amount_{function}_{days}d"]), usual)
        for days in (3, 7, 14)
        for function in ("mean", "max", "std")
    }
    return columns_like(inputs, **now, **recent)


@on_demand_feature_view(
    sources=[transaction, terminal_outcomes],
    schema=[
        Field(name="seconds_since_first_fraud", dtype=Float64),
        Field(name="seconds_since_last_fraud", dtype=Float64),
        Field(name="seconds_since_genuine", dtype=Float64),
        Field(name="seconds_without_genuine", dtype=Float64),
        Field(name="genuine_since_fraud", dtype=Float64),
    ]
    + [Field(name=f"fraud_share_{label}", dtype=Float64) for label in OUTCOMES],
    mode="pandas",
    tags={"millrace.takes": "arrays"},
)
def since_outcomes(inputs: pd.DataFrame) -> pd.DataFrame:
    """How long ago a terminal's known frauds began and ended, and its last genuine payment was; shares of frauds."""
    from contract.arrays import columns_like, floats, ratio
    from contract.elapsed import seconds_since

    at = inputs["event_timestamp"]
    first, last, genuine = (
        seconds_since(inputs[name], at) for name in ("first_fraud_at", "last_fraud_at", "last_genuine_at")
    )
    return columns_like(
        inputs,
        seconds_since_first_fraud=first,
        seconds_since_last_fraud=last,
        seconds_since_genuine=genuine,
        seconds_without_genuine=genuine - first,
        genuine_since_fraud=(genuine < last).astype("float64"),
        **{
            f"fraud_share_{label}": ratio(floats(inputs[f"frauds_{label}"]), floats(inputs[f"transactions_{label}"]))
            for label in ("3d", "14d", "28d")
        },
    )
