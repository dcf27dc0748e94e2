"""Ratios, and what needs the impression itself: computed at request time, and the same way for a training set."""

import numpy as np
import pandas as pd
from feast import Field, RequestSource
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Float64, Int64, String, UnixTimestamp

from activity_views import (
    pair_clicks,
    pair_impressions,
    pair_watches,
    user_clicks,
    user_impressions,
    video_clicks,
    video_impressions,
    video_watches,
)

candidate = RequestSource(
    name="candidate",
    description="The video that could be shown, and when.",
    schema=[
        Field(name="event_timestamp", dtype=UnixTimestamp),
        Field(name="uploaded_at", dtype=UnixTimestamp),
        Field(name="this_category", dtype=String),
        Field(name="this_video", dtype=String),
    ],
    tags={"millrace.fill.this_category": "category", "millrace.fill.this_video": "video_id"},
)


@on_demand_feature_view(
    sources=[user_impressions, user_clicks, video_impressions, video_clicks, pair_impressions, pair_clicks],
    schema=[
        Field(name="user_rate_30d", dtype=Float64),
        Field(name="video_rate_1d", dtype=Float64),
        Field(name="video_rate_30d", dtype=Float64),
        Field(name="pair_rate_7d", dtype=Float64),
        Field(name="pair_rate_30d", dtype=Float64),
        Field(name="pair_over_user", dtype=Float64),
    ],
    mode="pandas",
    tags={"millrace.takes": "arrays"},
)
def click_rates(inputs: pd.DataFrame) -> pd.DataFrame:
    """How often the user clicks, the video is clicked, and the user clicks on this category; and the last against the first.

    Each rate begins with 20 impressions at 15 %, so that one click is no verdict; what is missing counts as nothing.
    """
    from contract.arrays import columns_like, floats

    rates = {}
    for who, window in (("user", "30d"), ("video", "1d"), ("video", "30d"), ("pair", "7d"), ("pair", "30d")):
        clicks, shown = (np.nan_to_num(floats(inputs[f"{who}_{what}_{window}"])) for what in ("clicks", "impressions"))
        rates[f"{who}_rate_{window}"] = (clicks + 20 * 0.15) / (shown + 20)
    return columns_like(inputs, **rates, pair_over_user=rates["pair_rate_30d"] / rates["user_rate_30d"])


@on_demand_feature_view(
    sources=[video_clicks, video_watches, pair_clicks, pair_watches],
    schema=[
        Field(name="video_seconds_per_click", dtype=Float64),
        Field(name="pair_seconds_per_click", dtype=Float64),
    ],
    mode="pandas",
    tags={"millrace.takes": "arrays"},
)
def watch_lengths(inputs: pd.DataFrame) -> pd.DataFrame:
    """How long a click on the video, and one of the user on this category, is watched; null where there was none."""
    from contract.arrays import columns_like, floats, ratio

    lengths = {
        f"{who}_seconds_per_click": ratio(floats(inputs[f"{who}_seconds_30d"]), floats(inputs[f"{who}_clicks_30d"]))
        for who in ("video", "pair")
    }
    return columns_like(inputs, **lengths)


@on_demand_feature_view(
    sources=[candidate, user_clicks],
    schema=[
        Field(name="age_hours", dtype=Float64),
        Field(name="hour_of_day", dtype=Int64),
        Field(name="hours_since_click", dtype=Float64),
        Field(name="share_of_last", dtype=Float64),
        Field(name="seen_before", dtype=Int64),
    ],
    mode="pandas",
    tags={"millrace.takes": "arrays"},
)
def candidate_context(inputs: pd.DataFrame) -> pd.DataFrame:
    """How fresh the video is, and how it stands to what the user clicked last."""
    from contract.arrays import columns_like, hour_of_day, micros, occurrences, ratio
    from contract.elapsed import seconds_since

    now = micros(inputs["event_timestamp"])
    clicks, among = occurrences(inputs["last_categories"], inputs["this_category"])
    seen, _ = occurrences(inputs["last_videos"], inputs["this_video"])
    return columns_like(
        inputs,
        age_hours=(now - micros(inputs["uploaded_at"])) / 3_600_000_000,
        hour_of_day=hour_of_day(now),
        hours_since_click=seconds_since(inputs["last_click_at"], inputs["event_timestamp"]) / 3600,
        share_of_last=ratio(clicks, among),
        seen_before=(seen > 0).astype("int64"),
    )
