"""Opens Redis as an online store (`stores.online.OnlineStore`)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import redis

from stores.cells.layout import ViewLayout
from stores.redis.connection import Client, address_of, connect, unavailable
from stores.redis.progress import RedisProgress
from stores.redis.reader import OnlineReader

if TYPE_CHECKING:
    from stores.redis.writer import OnlineWriter


@dataclass(frozen=True, slots=True)
class RedisSettings:
    """What `feature_store.yaml` says of Redis, as plain data.

    Attributes:
        address: Feast's connection string.
        kind: `redis`, `redis_sentinel` or `redis_cluster`.
        master: The name that a Sentinel group gives its master.
        key_ttl_seconds: Seconds until an entity's key expires, counted anew by each write; None for never.
    """

    address: str
    kind: str
    master: str
    key_ttl_seconds: int | None


class RedisStore:
    """An open Redis."""

    def __init__(self, client: Client, key_ttl_seconds: int | None) -> None:
        """Take an open client."""
        self._client = client
        self._key_ttl_seconds = key_ttl_seconds

    def reader(self, layouts: Sequence[ViewLayout]) -> OnlineReader:
        """Return a reader of these views."""
        return OnlineReader(self._client, layouts)

    def writer(self, *layouts: ViewLayout) -> OnlineWriter:
        """Return a writer of views that have the same join keys."""
        from stores.redis.writer import OnlineWriter  # compiled code, which a reader never needs

        return OnlineWriter(self._client, *layouts, key_ttl_seconds=self._key_ttl_seconds)

    def progress(self, project: str) -> RedisProgress:
        """Return where the stream of a project says how far it is."""
        return RedisProgress(self._client, project)

    def ping(self) -> None:
        """Ask for an answer.

        Raises:
            OnlineStoreUnavailable: There is none.
        """
        try:
            self._client.ping()
        except (redis.RedisError, OSError) as error:
            raise unavailable(address_of(self._client), error) from error


def settings(options: Any) -> RedisSettings:
    """Return the settings of Feast's own Redis store or of Millrace's."""
    kind = getattr(options, "redis_type", "redis")
    return RedisSettings(
        str(options.connection_string),
        str(getattr(kind, "value", kind)),
        str(getattr(options, "sentinel_master", "mymaster")),
        getattr(options, "key_ttl_seconds", None),
    )


def open_room(settings: RedisSettings, timeout_s: float | None = None, check: bool = True) -> RedisStore:
    """Connect to Redis.

    Raises:
        OnlineStoreUnavailable: Redis does not answer.
    """
    address = settings.address
    if timeout_s is not None:
        for parameter in ("socket_timeout", "socket_connect_timeout"):
            if f"{parameter}=" not in address:
                address += f",{parameter}={timeout_s}"
    client = connect(address, settings.kind, sentinel_master=settings.master, check=check)
    return RedisStore(client, settings.key_ttl_seconds)
