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
)
def click_rates(inputs: pd.DataFrame) -> pd.DataFrame:
    """How often the user clicks, the video is clicked, and the user clicks on this category; and the last against the first.

    Each rate begins with 20 impressions at 15 %, so that one click is no verdict; what is missing counts as nothing.
    """

    def rate(who: str, window: str) -> pd.Series:
        clicks, shown = (
            pd.to_numeric(inputs[f"{who}_{what}_{window}"]).astype("float64").fillna(0.0)
            for what in ("clicks", "impressions")
        )
        return (clicks + 20 * 0.15) / (shown + 20)

    out = pd.DataFrame(index=inputs.index)
    for who, window in (("user", "30d"), ("video", "1d"), ("video", "30d"), ("pair", "7d"), ("pair", "30d")):
        out[f"{who}_rate_{window}"] = rate(who, window)
    out["pair_over_user"] = out["pair_rate_30d"] / out["user_rate_30d"]
    return out


@on_demand_feature_view(
    sources=[video_clicks, video_watches, pair_clicks, pair_watches],
    schema=[
        Field(name="video_seconds_per_click", dtype=Float64),
        Field(name="pair_seconds_per_click", dtype=Float64),
    ],
    mode="pandas",
)
def watch_lengths(inputs: pd.DataFrame) -> pd.DataFrame:
    """How long a click on the video, and one of the user on this category, is watched; null where there was none."""
    out = pd.DataFrame(index=inputs.index)
    for who in ("video", "pair"):
        clicks = pd.to_numeric(inputs[f"{who}_clicks_30d"]).astype("float64")
        seconds = pd.to_numeric(inputs[f"{who}_seconds_30d"]).astype("float64")
        out[f"{who}_seconds_per_click"] = seconds / clicks.where(clicks > 0)
    return out


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
)
def candidate_context(inputs: pd.DataFrame) -> pd.DataFrame:
    """How fresh the video is, and how it stands to what the user clicked last."""
    from contract.elapsed import seconds_since  # Feast runs the function by its text alone

    now = pd.to_datetime(inputs["event_timestamp"], utc=True)
    out = pd.DataFrame(index=inputs.index)
    out["age_hours"] = (now - pd.to_datetime(inputs["uploaded_at"], utc=True)).dt.total_seconds() / 3600
    out["hour_of_day"] = now.dt.hour.astype("int64")
    out["hours_since_click"] = seconds_since(inputs["last_click_at"], now) / 3600
    shares, seen = [], []
    given = zip(
        inputs["this_category"], inputs["this_video"], inputs["last_categories"], inputs["last_videos"], strict=True
    )
    for category, video, categories, videos in given:
        known = [] if categories is None or np.isscalar(categories) else list(categories)
        shares.append(known.count(category) / len(known) if known else np.nan)
        seen.append(int(videos is not None and not np.isscalar(videos) and video in videos))
    out["share_of_last"] = np.array(shares, dtype="float64")
    out["seen_before"] = np.array(seen, dtype="int64")
    return out
