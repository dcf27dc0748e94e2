"""Orders of a shop, whose lake and logs lie where SHOP_DATA says: a folder, or a bucket of an S3 that SHOP_ENDPOINT names.

SPENDING_TIER and HABITS_TIER say which tier of the online store holds a view.
"""

import os
from datetime import timedelta

from feast import (
    BatchFeatureView,
    Entity,
    FeatureService,
    FeatureView,
    Field,
    FileSource,
    KafkaSource,
    StreamFeatureView,
    ValueType,
)
from feast.aggregation import Aggregation
from feast.data_format import JsonFormat
from feast.types import Float64, Int64, String

DATA, ENDPOINT = os.environ["SHOP_DATA"], os.environ.get("SHOP_ENDPOINT")
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
EVENT = {"millrace.event_id": "order_id"}


def files(name: str, folder: str, timestamp: str, **tags: str) -> FileSource:
    """Name a folder of Parquet by day."""
    path = f"{DATA}/{folder}"
    return FileSource(name=name, path=path, timestamp_field=timestamp, s3_endpoint_override=ENDPOINT, tags=tags)


user = Entity(name="user", join_keys=["user_id"], value_type=ValueType.STRING)
orders_lake = files("orders_lake", "lake/orders", "ordered_at", **EVENT)
orders = KafkaSource(
    name="orders_into_spending",
    kafka_bootstrap_servers="localhost",
    topic="orders",
    message_format=JsonFormat(
        schema_json="order_id bigint, ordered_at timestamp, user_id string, price double, returned bigint"
    ),
    timestamp_field="ordered_at",
    watermark_delay_threshold=timedelta(minutes=10),
    batch_source=files("spending_log", "log/spending", "event_timestamp"),
    tags={"millrace.lake": "orders_lake", "millrace.partition_by": "user_id", **EVENT},
)
raw = FeatureView(
    name="raw_orders",
    entities=[user],
    source=orders_lake,
    schema=[
        Field(name="user_id", dtype=String),
        Field(name="order_id", dtype=Int64),
        Field(name="price", dtype=Float64),
    ],
    online=False,
)
spending = StreamFeatureView(
    name="spending",
    entities=[user],
    source=orders,
    timestamp_field="ordered_at",
    aggregations=[Aggregation(column="price", function="sum", time_window=HOUR, name="spent_1h")],
    schema=[Field(name="user_id", dtype=String), Field(name="spent_1h", dtype=Float64)],
    tags={"millrace.store": os.environ.get("SPENDING_TIER", "hot")},
)
habits = BatchFeatureView(
    name="habits",
    entities=[user],
    source=raw,
    sink_source=files("habits_log", "log/habits", "event_timestamp"),
    aggregations=[Aggregation(column="price", function="mean", time_window=DAY, slide_interval=HOUR, name="price_1d")],
    schema=[Field(name="user_id", dtype=String), Field(name="price_1d", dtype=Float64)],
    tags={"millrace.store": os.environ.get("HABITS_TIER", "hot")},
    online=True,
)
returns = FeatureService(name="returns", features=[spending, habits], tags={"millrace.label": "orders_lake:returned"})
