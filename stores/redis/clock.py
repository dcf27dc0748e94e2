"""Keeps the stream's clock in Redis: the event time up to which a project's online rows are complete.

Under `clock: stream` the online store measures ttl against it, so that a replay of last year reads like last year.
"""

from __future__ import annotations

from typing import Any

from redis.client import Pipeline

from stores.redis.connection import Client


def clock_key(project: str) -> str:
    """Return the Redis key of a project's clock: int64 microseconds UTC as decimal text."""
    return f"millrace:{project}:clock"


def publish_clock(client: Client | Pipeline, project: str, micros: int) -> None:
    """Set the clock; the stream pipeline calls this after the rows up to then are stored.

    Args:
        client: Redis, or a pipeline that will be executed.
        project: Feast's project.
        micros: The watermark, microseconds UTC.
    """
    client.set(clock_key(project), micros)


def parse_clock(reply: Any) -> int | None:
    """Return the clock from a GET's reply, microseconds UTC; None if no stream has set it yet."""
    return None if reply is None else int(reply)
