"""Three topics, and the outcomes that become known an hour later; and where each view's feature log goes."""

import os
from datetime import timedelta
from pathlib import Path

from feast import FileSource, KafkaSource
from feast.data_format import JsonFormat, ParquetFormat

DATA = Path(os.environ.get("MILLRACE_DATA") or Path(__file__).resolve().parents[2] / "data")
BROKER = os.environ.get("MILLRACE_BROKER", "redis://localhost:6379")

SCHEMAS = {
    "impressions": "impression_id string, shown_at timestamp, request_id string, user_id string, video_id string,"
    " category string, position bigint, uploaded_at timestamp",
    "clicks": "click_id string, clicked_at timestamp, user_id string, video_id string, category string",
    "watches": "watch_id string, watched_at timestamp, user_id string, video_id string, category string, seconds double",
}
TIMES = {"impressions": "shown_at", "clicks": "clicked_at", "watches": "watched_at"}
IDS = {"impressions": "impression_id", "clicks": "click_id", "watches": "watch_id"}


def lake(table: str, timestamp: str, **tags: str) -> FileSource:
    """Name the folder that holds the history of a table, by day."""
    return FileSource(
        name=f"{table}_lake",
        path=str(DATA / "lake" / table),
        file_format=ParquetFormat(),
        timestamp_field=timestamp,
        tags={f"millrace.{name}": text for name, text in tags.items()},
    )


impressions_lake = lake(
    "impressions", "shown_at", **{"event_id": "impression_id", "min.position": "0", "max.position": "50"}
)
clicks_lake = lake("clicks", "clicked_at", event_id="click_id")
watches_lake = lake("watches", "watched_at", **{"event_id": "watch_id", "min.seconds": "0", "max.seconds": "7200"})
outcomes_lake = lake(
    "outcomes",
    "shown_at",
    **{"event_id": "impression_id", "known_after": "1h", "values.clicked": "0, 1", "values.relevance": "0, 1, 2"},
)


def feature_log(view: str) -> FileSource:
    """Name the folder that holds every row `view` ever had, by day."""
    return FileSource(
        name=f"{view}_log",
        path=str(DATA / "log" / view),
        file_format=ParquetFormat(),
        timestamp_field="event_timestamp",
    )


def topic_into(topic: str, view: str) -> KafkaSource:
    """Take `view`'s events from a topic, partitioned by user."""
    return KafkaSource(
        name=f"{topic}_into_{view}",
        kafka_bootstrap_servers=BROKER,
        topic=topic,
        message_format=JsonFormat(schema_json=SCHEMAS[topic]),
        timestamp_field=TIMES[topic],
        watermark_delay_threshold=timedelta(minutes=10),
        batch_source=feature_log(view),
        tags={
            "millrace.lake": f"{topic}_lake",
            "millrace.event_id": IDS[topic],
            "millrace.partition_by": "user_id",
        },
    )
