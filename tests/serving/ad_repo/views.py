"""What users and advertisements did, with every type that serving takes."""

from datetime import timedelta

from feast import FeatureView, Field, FileSource, PushSource
from feast.types import Array, Bool, Float32, Float64, Int64, String, UnixTimestamp

from entities import ad, user


def log_of(view: str) -> FileSource:
    """Name a view's feature log; these tests never read it."""
    return FileSource(name=f"{view}_log", path=f"{view}.parquet", timestamp_field="event_timestamp")


user_activity = FeatureView(
    name="user_activity",
    entities=[user],
    source=log_of("user_activity"),
    schema=[
        Field(name="user_id", dtype=String),
        Field(name="clicks", dtype=Int64),
        Field(name="dwell", dtype=Float64),
        Field(name="subscriber", dtype=Bool),
        Field(name="segment", dtype=String),
        Field(name="last_seen", dtype=UnixTimestamp),
        Field(name="last_ads", dtype=Array(Int64)),
        Field(name="last_visits", dtype=Array(UnixTimestamp)),
    ],
    ttl=timedelta(days=10),
)

ad_quality = FeatureView(
    name="ad_quality",
    entities=[ad],
    source=log_of("ad_quality"),
    schema=[
        Field(name="ad_id", dtype=Int64),
        Field(name="clicks", dtype=Int64),
        Field(name="rate", dtype=Float32),
    ],
    ttl=timedelta(0),
)

user_ad_affinity = FeatureView(
    name="user_ad_affinity",
    entities=[user, ad],
    source=log_of("user_ad_affinity"),
    schema=[
        Field(name="user_id", dtype=String),
        Field(name="ad_id", dtype=Int64),
        Field(name="affinity", dtype=Float64),
    ],
    ttl=timedelta(0),
)

site_load = FeatureView(
    name="site_load",
    entities=[],
    source=log_of("site_load"),
    schema=[Field(name="visitors", dtype=Int64)],
    ttl=timedelta(0),
)

user_mood = FeatureView(
    name="user_mood",
    entities=[user],
    source=PushSource(name="moods", batch_source=log_of("user_mood")),
    schema=[
        Field(name="user_id", dtype=String),
        Field(name="mood", dtype=String),
        Field(name="since", dtype=UnixTimestamp),
        Field(name="swings", dtype=Array(Float64)),
    ],
    ttl=timedelta(0),
)
