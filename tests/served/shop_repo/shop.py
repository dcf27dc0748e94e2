"""A shop: what a user has ordered lately, what an article costs, and whether an order is sent back."""

import os
from datetime import timedelta
from pathlib import Path

import pandas as pd
from feast import Entity, FeatureService, FeatureView, Field, FileSource, KafkaSource, RequestSource, StreamFeatureView
from feast.aggregation import Aggregation
from feast.data_format import JsonFormat, ParquetFormat
from feast.on_demand_feature_view import on_demand_feature_view
from feast.types import Float64, Int64, String, UnixTimestamp
from feast.value_type import ValueType

DATA = Path(os.environ["MILLRACE_DATA"])
user = Entity(name="user", join_keys=["user"], value_type=ValueType.STRING)
article = Entity(name="article", join_keys=["article"], value_type=ValueType.INT64)


def files(name: str, folder: str, **tags: str) -> FileSource:
    """Name a folder of files."""
    path = str(DATA / folder / name)
    return FileSource(name=name, path=path, file_format=ParquetFormat(), timestamp_field="event_timestamp", tags=tags)


orders = files("orders", "lake", **{"millrace.event_id": "order_id"})
returns = files("returns", "lake", **{"millrace.event_id": "order_id", "millrace.known_after": "1d"})
orders_into_habits = KafkaSource(
    name="orders_into_habits",
    kafka_bootstrap_servers="redis://localhost:6379",
    topic="orders",
    message_format=JsonFormat(
        schema_json="order_id bigint, event_timestamp timestamp, user string, article bigint, price double"
    ),
    timestamp_field="event_timestamp",
    watermark_delay_threshold=timedelta(minutes=10),
    batch_source=files("habits", "log"),
    tags={"millrace.lake": "orders", "millrace.event_id": "order_id", "millrace.partition_by": "user"},
)
habits = StreamFeatureView(
    name="habits",
    entities=[user],
    source=orders_into_habits,
    timestamp_field="event_timestamp",
    aggregations=[
        Aggregation(column="price", function=function, time_window=timedelta(hours=6), name=f"price_{function}")
        for function in ("count", "sum", "mean")
    ],
    schema=[
        Field(name="user", dtype=String),
        Field(name="price_count", dtype=Int64),
        Field(name="price_sum", dtype=Float64),
        Field(name="price_mean", dtype=Float64),
    ],
    ttl=timedelta(days=1),
)
articles = FeatureView(
    name="articles",
    entities=[article],
    source=files("articles", "log"),
    schema=[Field(name="article", dtype=Int64), Field(name="usual_price", dtype=Float64)],
    ttl=timedelta(days=30),
)
order = RequestSource(
    name="order",
    schema=[Field(name="price", dtype=Float64), Field(name="event_timestamp", dtype=UnixTimestamp)],
)


@on_demand_feature_view(
    sources=[order, habits, articles], schema=[Field(name="over_mean", dtype=Float64)], mode="pandas"
)
def against_habit(inputs: pd.DataFrame) -> pd.DataFrame:
    """The price against what the user pays else."""
    out = pd.DataFrame(index=inputs.index)
    out["over_mean"] = inputs["price"] / inputs["price_mean"]
    return out


returns_v1 = FeatureService(
    name="returns_v1",
    features=[habits, articles, against_habit],
    tags={"millrace.label": "returns:is_returned", "millrace.decides_on": "orders"},
)
