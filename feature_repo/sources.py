"""Where events come from, and where each view's feature log goes.

An event table has two sides: a topic (live) and a lake folder (history, Parquet by day). Feast ties one batch source to
a stream source, and for a stream view that batch source is its own feature log. So each view takes its stream source
from a factory below; they all name the same topic.
"""

import os
from datetime import timedelta
from pathlib import Path

from feast import FileSource, KafkaSource
from feast.data_format import JsonFormat, ParquetFormat

DATA = Path(os.environ.get("MILLRACE_DATA") or Path(__file__).resolve().parent.parent / "data")
BROKER = os.environ.get("MILLRACE_BROKER", "redis://localhost:6379")

AMOUNTS = {"millrace.min.amount": "0", "millrace.max.amount": "100000", "millrace.not_null.amount": "true"}
FRESH = {"millrace.fresh": "26h", "millrace.fresh_severity": "warning"}

transactions_lake = FileSource(
    name="transactions_lake",
    path=str(DATA / "lake" / "transactions"),
    file_format=ParquetFormat(),
    timestamp_field="event_timestamp",
    tags={"millrace.event_id": "transaction_id", **AMOUNTS, **FRESH},
)

fraud_labels_lake = FileSource(
    name="fraud_labels_lake",
    path=str(DATA / "lake" / "fraud_labels"),
    file_format=ParquetFormat(),
    timestamp_field="event_timestamp",
    tags={
        "millrace.event_id": "transaction_id",
        "millrace.known_after": "7d",
        "millrace.values.is_fraud": "0, 1",
        "millrace.not_null.is_fraud": "true",
        **AMOUNTS,
        **FRESH,
    },
)


def feature_log(view: str) -> FileSource:
    """Name the folder that holds every row `view` ever had, by day."""
    return FileSource(
        name=f"{view}_log",
        path=str(DATA / "log" / view),
        file_format=ParquetFormat(),
        timestamp_field="event_timestamp",
    )


def transactions_into(view: str) -> KafkaSource:
    """Take `view`'s events from the transaction topic, partitioned by customer."""
    return KafkaSource(
        name=f"transactions_into_{view}",
        kafka_bootstrap_servers=BROKER,
        topic="transactions",
        message_format=JsonFormat(
            schema_json="transaction_id bigint, event_timestamp timestamp, customer_id bigint, terminal_id bigint,"
            " amount double"
        ),
        timestamp_field="event_timestamp",
        watermark_delay_threshold=timedelta(minutes=10),
        batch_source=feature_log(view),
        tags={
            "millrace.lake": "transactions_lake",
            "millrace.event_id": "transaction_id",
            "millrace.partition_by": "customer_id",
        },
    )


def fraud_labels_into(view: str) -> KafkaSource:
    """Take `view`'s events from the label topic: one a transaction, at its time, known seven days after it."""
    return KafkaSource(
        name=f"fraud_labels_into_{view}",
        kafka_bootstrap_servers=BROKER,
        topic="fraud_labels",
        message_format=JsonFormat(
            schema_json="transaction_id bigint, event_timestamp timestamp, customer_id bigint, terminal_id bigint,"
            " amount double, is_fraud bigint"
        ),
        timestamp_field="event_timestamp",
        watermark_delay_threshold=timedelta(minutes=10),
        batch_source=feature_log(view),
        tags={
            "millrace.lake": "fraud_labels_lake",
            "millrace.event_id": "transaction_id",
            "millrace.partition_by": "customer_id",
            "millrace.known_after": "7d",
        },
    )
