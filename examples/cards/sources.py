"""Where card payments and their outcomes come from, and where each view's feature log goes."""

import os
from datetime import timedelta
from pathlib import Path

from feast import FileSource, KafkaSource
from feast.data_format import JsonFormat, ParquetFormat

DATA = Path(os.environ.get("MILLRACE_DATA") or Path(__file__).resolve().parents[2] / "data")
BROKER = os.environ.get("MILLRACE_BROKER", "redis://localhost:6379")
PAYMENT = "transaction_id bigint, event_timestamp timestamp, customer_id bigint, terminal_id bigint, amount double"

transactions_lake = FileSource(
    name="transactions_lake",
    path=str(DATA / "lake" / "transactions"),
    file_format=ParquetFormat(),
    timestamp_field="event_timestamp",
    tags={"millrace.event_id": "transaction_id"},
)

fraud_labels_lake = FileSource(
    name="fraud_labels_lake",
    path=str(DATA / "lake" / "fraud_labels"),
    file_format=ParquetFormat(),
    timestamp_field="event_timestamp",
    tags={"millrace.event_id": "transaction_id", "millrace.known_after": "7d"},
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
    """Take `view`'s events from the topic of payments, partitioned by customer."""
    return _topic("transactions", view, PAYMENT, {"millrace.lake": "transactions_lake"})


def fraud_labels_into(view: str) -> KafkaSource:
    """Take `view`'s events from the topic of outcomes: one a payment, at its time, known seven days after it."""
    tags = {"millrace.lake": "fraud_labels_lake", "millrace.known_after": "7d"}
    return _topic("fraud_labels", view, f"{PAYMENT}, is_fraud bigint", tags)


def _topic(topic: str, view: str, columns: str, tags: dict[str, str]) -> KafkaSource:
    return KafkaSource(
        name=f"{topic}_into_{view}",
        kafka_bootstrap_servers=BROKER,
        topic=topic,
        message_format=JsonFormat(schema_json=columns),
        timestamp_field="event_timestamp",
        watermark_delay_threshold=timedelta(minutes=10),
        batch_source=feature_log(view),
        tags={"millrace.event_id": "transaction_id", "millrace.partition_by": "customer_id", **tags},
    )
