"""Opens the transport that an address names. A new transport is a file beside this one, and one entry here."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from pipelines.plan import EventTable, ViewPlan
from pipelines.stream.transport.base import EventReader, TransportError
from pipelines.stream.transport.kafka_client import is_kafka
from pipelines.stream.transport.kafka_topics import KafkaTopics
from pipelines.stream.transport.parquet_replay import ParquetReplay
from pipelines.stream.transport.redis_streams import RedisStreams

SCHEMES: Final = ("redis://host:port", "rediss://host:port", "kafka://host:port,host:port", "parquet:FOLDER")


def open_transport(
    address: str, tables: Mapping[str, EventTable] | None = None, partitions: int | None = None
) -> EventReader:
    """Return the transport that an address names; nothing is connected yet.

    Args:
        address: `redis://host:port` or `rediss://host:port`; `kafka://host:port,host:port`, or the same without its scheme;
            `parquet:FOLDER` replays `FOLDER/<topic>` and ends.
        tables: The event tables by topic; a replay needs them.
        partitions: Partitions that topics must have; None takes those they have.

    Raises:
        TransportError: The address is not of a known kind.
    """
    if address.startswith("parquet:"):
        return ParquetReplay(Path(address.removeprefix("parquet:")), tables or {}, partitions)
    return open_publisher(address, partitions)


def open_publisher(address: str, partitions: int | None = None) -> RedisStreams | KafkaTopics:
    """Return the transport that an address names, to read from and to publish to.

    Raises:
        TransportError: The address is not of a known kind, or is one that only reads.
    """
    if address.startswith(("redis://", "rediss://")):
        return RedisStreams(address, partitions)
    if is_kafka(address):
        return KafkaTopics(address, partitions)
    raise TransportError(f"broker {address!r} is not known; use one of {', '.join(SCHEMES)}.")


def transport_address(plans: Sequence[ViewPlan]) -> str:
    """Return where the broker is: MILLRACE_BROKER, else what the Kafka sources declare as their bootstrap servers.

    Raises:
        TransportError: The sources name different addresses, or none.
    """
    override = os.environ.get("MILLRACE_BROKER")
    if override:
        return override
    declared = sorted({plan.table.address for plan in plans if plan.table.topic and plan.table.address})
    if len(declared) != 1:
        raise TransportError(
            f"the sources name {' and '.join(declared) or 'no'} kafka_bootstrap_servers; give all the same, or set"
            " MILLRACE_BROKER=redis://host:port or kafka://host:port."
        )
    return declared[0]
