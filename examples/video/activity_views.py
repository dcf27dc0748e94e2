"""What users, videos, and users with a category have been doing: impressions, clicks and seconds watched."""

from datetime import timedelta

from feast import Field, StreamFeatureView
from feast.aggregation import Aggregation
from feast.types import Array, Float64, Int64, String

from entities import category, user, video
from sources import TIMES, topic_into

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
WINDOWS = {"1h": HOUR, "1d": DAY, "7d": 7 * DAY, "30d": 30 * DAY}
LAST = 20
GAP = "session_{}(30min)"

KEYS = {"user": ["user_id"], "video": ["video_id"], "pair": ["user_id", "category"]}
ENTITIES = {"user": [user], "video": [video], "pair": [user, category]}


def activity(
    who: str, topic: str, more: tuple[Aggregation, ...] = (), fields: tuple[Field, ...] = ()
) -> StreamFeatureView:
    """Declare the view of one topic for one kind of entity: counts, or for watches the seconds, over all windows."""
    watched = topic == "watches"
    what = f"{who}_{'seconds' if watched else topic}"
    return StreamFeatureView(
        name=f"{who}_{topic}",
        entities=ENTITIES[who],
        source=topic_into(topic, f"{who}_{topic}"),
        timestamp_field=TIMES[topic],
        aggregations=[
            Aggregation(
                column="seconds" if watched else "",
                function="sum" if watched else "count",
                time_window=window,
                name=f"{what}_{label}",
            )
            for label, window in WINDOWS.items()
        ]
        + list(more),
        schema=[Field(name=key, dtype=String) for key in KEYS[who]]
        + [Field(name=f"{what}_{label}", dtype=Float64 if watched else Int64) for label in WINDOWS]
        + list(fields),
        ttl=timedelta(days=90),
    )


user_impressions = activity(
    "user",
    "impressions",
    (
        Aggregation(function=GAP.format("count"), time_window=DAY, name="session_impressions"),
        Aggregation(function=GAP.format("duration"), time_window=DAY, name="session_seconds"),
    ),
    (Field(name="session_impressions", dtype=Int64), Field(name="session_seconds", dtype=Float64)),
)
user_clicks = activity(
    "user",
    "clicks",
    (
        Aggregation(column="category", function=f"last_n({LAST})", time_window=30 * DAY, name="last_categories"),
        Aggregation(column="video_id", function=f"last_n({LAST})", time_window=30 * DAY, name="last_videos"),
        Aggregation(column="clicked_at", function="last", time_window=30 * DAY, name="last_click_at"),
    ),
    (
        Field(name="last_categories", dtype=Array(String)),
        Field(name="last_videos", dtype=Array(String)),
        Field(name="last_click_at", dtype=Int64, description="Microseconds since the epoch, UTC."),
    ),
)
user_watches = activity("user", "watches")
video_impressions = activity("video", "impressions")
video_clicks = activity("video", "clicks")
video_watches = activity("video", "watches")
pair_impressions = activity("pair", "impressions")
pair_clicks = activity("pair", "clicks")
pair_watches = activity("pair", "watches")
