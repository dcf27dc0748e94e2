"""What the click model sees, what orders a slate, and a service with all that Feast allows: other names, other keys, no entity."""

from feast import FeatureService
from on_demand import bid_against_ad, bid_against_user
from views import ad_quality, site_load, user_activity, user_ad_affinity

click_v1 = FeatureService(
    name="click_v1",
    features=[user_activity, ad_quality[["rate"]], bid_against_user, bid_against_ad, user_ad_affinity],
)
rank_v1 = FeatureService(
    name="rank_v1",
    features=[user_activity[["clicks", "dwell"]], ad_quality[["rate"]], user_ad_affinity],
    tags={"millrace.predicts": "ranking", "millrace.group": "slate"},
)
everything = FeatureService(
    name="everything",
    features=[
        ad_quality.with_name("shown_now"),
        ad_quality.with_name("shown_before").with_join_key_map({"ad_id": "previous_ad"}),
        user_ad_affinity.with_name("affinity_before").with_join_key_map({"ad_id": "previous_ad"}),
        site_load,
    ],
)
