"""What needs the impression itself; one view for each of Feast's modes."""

import pandas as pd
from feast import Field, RequestSource
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Float64, Int64, UnixTimestamp
from views import ad_quality, user_activity

impression = RequestSource(
    name="impression",
    schema=[
        Field(name="bid", dtype=Float64),
        Field(name="slot", dtype=Int64),
        Field(name="event_timestamp", dtype=UnixTimestamp),
        Field(name="this_ad", dtype=Int64),
    ],
    tags={"millrace.fill.this_ad": "ad_id"},
)


@on_demand_feature_view(
    sources=[impression, user_activity],
    schema=[
        Field(name="bid_per_click", dtype=Float64),
        Field(name="idle_seconds", dtype=Float64),
        Field(name="seen_before", dtype=Int64),
    ],
    mode="pandas",
)
def bid_against_user(inputs: pd.DataFrame) -> pd.DataFrame:
    """Read stored features by their short and by their full names."""
    clicks = pd.to_numeric(inputs["user_activity__clicks"]).astype("float64")
    out = pd.DataFrame(index=inputs.index)
    out["bid_per_click"] = inputs["bid"] / clicks.where(clicks > 0)
    now, last = pd.to_datetime(inputs["event_timestamp"], utc=True), pd.to_datetime(inputs["last_seen"], utc=True)
    out["idle_seconds"] = (now - last).dt.total_seconds()
    seen = [ads is not None and ad in ads for ad, ads in zip(inputs["this_ad"], inputs["last_ads"], strict=True)]
    out["seen_before"] = pd.Series(seen, index=inputs.index).astype("int64")
    return out


@on_demand_feature_view(
    sources=[impression, ad_quality],
    schema=[Field(name="expected_value", dtype=Float64)],
    mode="python",
)
def bid_against_ad(inputs: dict) -> dict:
    """Fail on a bid of exactly 13, for the tests of failing functions.

    Both names, because Feast silently drops a python-mode output under its short name when full names are asked for.
    """
    if 13.0 in inputs["bid"]:
        raise ArithmeticError("thirteen")
    pairs = zip(inputs["bid"], inputs["ad_quality__rate"], strict=True)
    values = [None if rate is None else bid * rate for bid, rate in pairs]
    return {"expected_value": values, "bid_against_ad__expected_value": values}
