"""What a user usually watches: computed once a day from the lake."""

from datetime import timedelta

from feast import BatchFeatureView, FeatureView, Field
from feast.aggregation import Aggregation
from feast.types import Float64, Int64, String

from entities import user
from sources import feature_log, watches_lake

DAY = timedelta(days=1)

watches = FeatureView(
    name="watches",
    description="The raw watches in the lake: what the profile is computed from. Never online.",
    entities=[user],
    source=watches_lake,
    schema=[
        Field(name="user_id", dtype=String),
        Field(name="watch_id", dtype=String),
        Field(name="category", dtype=String),
        Field(name="seconds", dtype=Float64),
    ],
    online=False,
)

user_profile = BatchFeatureView(
    name="user_profile",
    description="A user's habits over a month, refreshed at midnight UTC.",
    entities=[user],
    source=watches,
    sink_source=feature_log("user_profile"),
    mode="pandas",
    aggregations=[
        Aggregation(column="seconds", function="mean", time_window=30 * DAY, slide_interval=DAY, name="mean_watch_30d"),
        Aggregation(
            column="seconds", function="max", time_window=30 * DAY, slide_interval=DAY, name="longest_watch_30d"
        ),
        Aggregation(
            column="category",
            function="count_distinct",
            time_window=30 * DAY,
            slide_interval=DAY,
            name="categories_30d",
        ),
    ],
    schema=[
        Field(name="user_id", dtype=String),
        Field(name="mean_watch_30d", dtype=Float64),
        Field(name="longest_watch_30d", dtype=Float64),
        Field(name="categories_30d", dtype=Int64),
    ],
    online=True,
    ttl=timedelta(days=90),
)
