"""What a user, an ad, and a user with an ad have been doing."""

from datetime import timedelta

import pandas as pd
from feast import BatchFeatureView, FeatureService, FeatureView, Field, StreamFeatureView
from feast.aggregation import Aggregation
from feast.types import Array, Bool, Float64, Int32, Int64, String

from entities import ad, user
from sources import clicks_into, clicks_lake, feature_log

MINUTES_5, HOUR, DAY = timedelta(minutes=5), timedelta(hours=1), timedelta(days=1)

user_activity = StreamFeatureView(
    name="user_activity",
    entities=[user],
    source=clicks_into("user_activity"),
    timestamp_field="clicked_at",
    aggregations=[
        Aggregation(function="count", time_window=MINUTES_5, name="clicks_5m"),
        Aggregation(column="bid", function="sum", time_window=HOUR, slide_interval=MINUTES_5, name="bids_1h"),
        Aggregation(column="ad_id", function="count_distinct", time_window=DAY, name="ads_1d"),
        Aggregation(column="ad_id", function="last_n(5)", time_window=DAY, name="last_ads"),
        Aggregation(column="clicked_at", function="last", time_window=DAY, name="last_click_at"),
        Aggregation(column="on_phone", function="last", time_window=DAY, name="was_on_phone"),
        Aggregation(column="dwell_ms", function="std", time_window=DAY, name="dwell_std_1d"),
        Aggregation(function="session_duration(20min)", time_window=DAY, name="session_seconds"),
        Aggregation(column="ad_id", function="session_first(20min)", time_window=DAY, name="session_opened_with"),
    ],
    schema=[
        Field(name="user_id", dtype=String),
        Field(name="clicks_5m", dtype=Int64),
        Field(name="bids_1h", dtype=Float64),
        Field(name="ads_1d", dtype=Int64),
        Field(name="last_ads", dtype=Array(String)),
        Field(name="last_click_at", dtype=Int64),
        Field(name="was_on_phone", dtype=Bool),
        Field(name="dwell_std_1d", dtype=Float64),
        Field(name="session_seconds", dtype=Float64),
        Field(name="session_opened_with", dtype=String),
    ],
    ttl=timedelta(days=30),
)

ad_traffic = StreamFeatureView(
    name="ad_traffic",
    entities=[ad],
    source=clicks_into("ad_traffic"),
    timestamp_field="clicked_at",
    aggregations=[
        Aggregation(column="bid", function="min", time_window=HOUR, name="bid_min_1h"),
        Aggregation(column="bid", function="mean", time_window=HOUR, name="bid_mean_1h"),
        Aggregation(column="slot", function="max", time_window=DAY, name="slot_max_1d"),
        Aggregation(column="slot", function="first", time_window=DAY, name="slot_first_1d"),
        Aggregation(column="dwell_ms", function="sum", time_window=DAY, name="dwell_1d"),
    ],
    schema=[
        Field(name="ad_id", dtype=String),
        Field(name="bid_min_1h", dtype=Float64),
        Field(name="bid_mean_1h", dtype=Float64),
        Field(name="slot_max_1d", dtype=Int64),
        Field(name="slot_first_1d", dtype=Int32),
        Field(name="dwell_1d", dtype=Int64),
    ],
    tags={"millrace.delay": "10min"},
)

user_and_ad = StreamFeatureView(
    name="user_and_ad",
    description="One row for each user and ad: a view of two entities.",
    entities=[user, ad],
    source=clicks_into("user_and_ad"),
    timestamp_field="clicked_at",
    aggregations=[
        Aggregation(function="count", time_window=DAY, name="clicks_1d"),
        Aggregation(column="bid", function="last", time_window=DAY, name="last_bid"),
    ],
    schema=[
        Field(name="user_id", dtype=String),
        Field(name="ad_id", dtype=String),
        Field(name="clicks_1d", dtype=Int64),
        Field(name="last_bid", dtype=Float64),
    ],
)

clicks = FeatureView(
    name="clicks",
    entities=[ad],
    source=clicks_lake,
    schema=[
        Field(name="ad_id", dtype=String),
        Field(name="click_id", dtype=String),
        Field(name="bid", dtype=Float64),
        Field(name="dwell_ms", dtype=Int64),
    ],
    online=False,
)


def mark_bounces(events: pd.DataFrame) -> pd.DataFrame:
    """Add 1.0 for a click that was left within half a second, else 0.0."""
    return events.assign(bounced=(events["dwell_ms"] < 500).astype("float64"))


ad_quality = BatchFeatureView(
    name="ad_quality",
    entities=[ad],
    source=clicks,
    sink_source=feature_log("ad_quality"),
    mode="pandas",
    udf=mark_bounces,
    udf_string="mark_bounces",
    aggregations=[
        Aggregation(
            column="bounced", function="mean", time_window=DAY, slide_interval=timedelta(hours=6), name="bounce_rate"
        ),
        Aggregation(
            column="bid", function="count", time_window=2 * DAY, slide_interval=timedelta(hours=6), name="clicks_2d"
        ),
    ],
    schema=[
        Field(name="ad_id", dtype=String),
        Field(name="bounce_rate", dtype=Float64),
        Field(name="clicks_2d", dtype=Int64),
    ],
    online=True,
)

ads_v1 = FeatureService(name="ads_v1", features=[user_activity, ad_traffic, user_and_ad, ad_quality])
