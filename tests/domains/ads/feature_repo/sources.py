"""Clicks on ads: a topic partitioned by ad, and their history in the lake."""

import os
from datetime import timedelta
from pathlib import Path

from feast import FileSource, KafkaSource
from feast.data_format import JsonFormat

DATA = Path(os.environ["MILLRACE_DATA"])

clicks_lake = FileSource(
    name="clicks_lake",
    path=str(DATA / "lake" / "clicks"),
    timestamp_field="clicked_at",
    tags={"millrace.event_id": "click_id"},
)


def feature_log(view: str) -> FileSource:
    """Name the folder of a view's feature log."""
    return FileSource(name=f"{view}_log", path=str(DATA / "log" / view), timestamp_field="event_timestamp")


def clicks_into(view: str) -> KafkaSource:
    """Take a view's events from the topic of clicks."""
    return KafkaSource(
        name=f"clicks_into_{view}",
        kafka_bootstrap_servers="localhost",
        topic="clicks",
        message_format=JsonFormat(
            schema_json="click_id string, clicked_at timestamp, user_id string, ad_id string, bid double, slot int,"
            " dwell_ms bigint, on_phone boolean"
        ),
        timestamp_field="clicked_at",
        watermark_delay_threshold=timedelta(minutes=30),
        batch_source=feature_log(view),
        tags={
            "millrace.lake": "clicks_lake",
            "millrace.event_id": "click_id",
            "millrace.partition_by": "ad_id",
        },
    )
