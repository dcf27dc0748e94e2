"""Three models on one set of features: will it be clicked, how long will it be watched, in which order to show."""

from feast import FeatureService

from activity_views import (
    pair_clicks,
    pair_impressions,
    pair_watches,
    user_clicks,
    user_impressions,
    user_watches,
    video_clicks,
    video_impressions,
    video_watches,
)
from on_demand_views import candidate_context, click_rates, watch_lengths
from profile_views import user_profile

FEATURES = [
    click_rates,
    watch_lengths,
    candidate_context,
    user_impressions,
    user_clicks[[f"user_clicks_{window}" for window in ("1h", "1d", "7d", "30d")]],
    user_watches,
    video_impressions,
    video_clicks,
    video_watches,
    pair_impressions,
    pair_clicks,
    pair_watches,
    user_profile,
]

click_v1 = FeatureService(
    name="click_v1",
    description="Whether an impression is clicked.",
    features=FEATURES,
    tags={"millrace.label": "outcomes_lake:clicked", "millrace.decides_on": "impressions"},
)
watch_v1 = FeatureService(
    name="watch_v1",
    description="How many seconds an impression is watched.",
    features=FEATURES,
    tags={
        "millrace.label": "outcomes_lake:watch_seconds",
        "millrace.decides_on": "impressions",
        "millrace.predicts": "regression",
    },
)
rank_v1 = FeatureService(
    name="rank_v1",
    description="In which order to show the candidates of a request: 0 ignored, 1 clicked, 2 watched for long.",
    features=FEATURES,
    tags={
        "millrace.label": "outcomes_lake:relevance",
        "millrace.decides_on": "impressions",
        "millrace.predicts": "ranking",
        "millrace.group": "request_id",
    },
)
