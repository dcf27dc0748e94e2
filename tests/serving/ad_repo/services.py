"""What the click model sees, and services that cannot be served."""

from feast import FeatureService
from on_demand import bid_against_ad, bid_against_user
from views import ad_quality, user_activity, user_ad_affinity

click_v1 = FeatureService(
    name="click_v1",
    features=[user_activity, ad_quality[["rate"]], bid_against_user, bid_against_ad, user_ad_affinity],
)
renamed = FeatureService(name="renamed", features=[ad_quality.with_name("other")])
rekeyed = FeatureService(name="rekeyed", features=[ad_quality.with_join_key_map({"ad_id": "shown_ad"})])
