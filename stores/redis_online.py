"""Feast plug-in: the Redis online store with bulk, monotonic writes and a ttl that holds online too.

The layout in Redis is Feast's own, so plain Feast clients and this one read each other's rows. In `feature_store.yaml`:

    online_store:
      type: stores.redis_online.MillraceRedisOnlineStore
      connection_string: 127.0.0.1:6379
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Literal

from feast import FeatureView, RepoConfig
from feast.infra.online_stores.redis import RedisOnlineStore, RedisOnlineStoreConfig, RedisType
from redis.exceptions import ResponseError

from stores.cells.feast_row import whole_key
from stores.cells.feature_vectors import Row, row_statuses
from stores.cells.layout import ViewLayout, layout_of
from stores.feast_plugin import AskedRows, FoundRows, MillraceOnlineStore, Progress
from stores.redis.connection import Client, connect
from stores.redis.exchange import exchange
from stores.redis.hash_fields import Asked, HashFields, hash_fields
from stores.redis.progress import clock_key, parse_clock

if TYPE_CHECKING:
    from stores.cells.feast_row import FeastRow

_Type = Literal["stores.redis_online.MillraceRedisOnlineStore"]


class MillraceRedisOnlineStoreConfig(RedisOnlineStoreConfig):
    """Options of the store, on top of those of Feast's Redis store; `skip_dedup` has no effect, nor has `client`."""

    type: _Type = "stores.redis_online.MillraceRedisOnlineStore"  # type: ignore[assignment]  # Feast's is "redis"
    clock: Literal["wall", "stream"] = "wall"
    """What ttl is measured against: the wall clock, or the stream's own, up to which all its rows are complete. With `stream`
    and no such key yet, no row is too old."""
    replica_connection_string: str | None = None
    """Where reads go; None reads where writes go. A `redis_cluster` or `redis_sentinel` has it of the same type."""


class MillraceRedisOnlineStore(MillraceOnlineStore, RedisOnlineStore):
    """Feast's Redis store with other writes, reads and meaning of ttl; `update` and `teardown` are Feast's."""

    _reads_from: Client | None = None

    def online_write_batch(
        self, config: RepoConfig, table: FeatureView, data: Sequence[FeastRow], progress: Progress | None
    ) -> None:
        """Write rows of a view, each only if no newer one is stored; an equal event time is written.

        Raises:
            OnlineStoreUnavailable: Redis does not answer.
        """
        from stores.redis.feast_rows import encode_feast_rows  # compiled code, which a reader never needs
        from stores.redis.monotonic import write_rows

        options = config.online_store
        keys = self._generate_redis_keys_for_entities(config, [whole_key(entity_key) for entity_key, _, _, _ in data])
        for rows in encode_feast_rows(layout_of(table, config), keys, data):
            write_rows(self._get_client(options), rows, options.key_ttl_seconds or 0)
        if progress:
            progress(len(data))

    def find_rows(self, config: RepoConfig, asked: Sequence[AskedRows]) -> list[FoundRows]:
        """Return the rows of all views, in one round trip."""
        rows, as_of_us = self.fetch(config, asked, timed=any(one.layout.ttl_us for one in asked))
        return [
            FoundRows(found, row_statuses([row[-1] for row in found], one.layout.ttl_us, as_of_us))
            for one, found in zip(asked, rows, strict=True)
        ]

    def fetch(
        self, config: RepoConfig, asked: Sequence[AskedRows], *, timed: bool
    ) -> tuple[list[list[Row]], int | None]:
        """Return the rows of all views and, if `timed`, the instant that a ttl counts from, in one round trip.

        The instant is in microseconds UTC; it is None where no ttl is to be applied.

        Raises:
            OnlineStoreUnavailable: Redis does not answer.
        """
        options, project = config.online_store, config.project.encode()
        keys: list[bytes] = []
        packed: list[bytes] = []
        commands: list[tuple[HashFields, Asked]] = []
        for one in asked:
            own = [key + project for key in one.keys]
            keys += own
            fields = hash_fields(_fields(one.layout, tuple(one.names)))
            commands.append((fields, fields.ask(own)))
            packed += commands[-1][1].packed
        by_stream = timed and options.clock == "stream"
        if by_stream:
            key = clock_key(config.project).encode()
            keys.append(key)
            packed.append(b"*2\r\n$3\r\nGET\r\n$%d\r\n%b\r\n" % (len(key), key))
        replies = exchange(self._read_client(options), keys, packed) if keys else []
        for reply in replies:
            if isinstance(reply, ResponseError):
                raise reply
        as_of_us = parse_clock(replies.pop()) if by_stream else self.now_us() if timed else None
        found, start = [], 0
        for one, (fields, how) in zip(asked, commands, strict=True):
            found.append(fields.cells(replies[start : start + len(one.keys)], how))
            start += len(one.keys)
        return found, as_of_us

    def _get_client(self, online_store_config: RedisOnlineStoreConfig) -> Client:
        if self._client is None:
            self._client = self._connect(online_store_config, online_store_config.connection_string)
        return self._client

    def _read_client(self, options: MillraceRedisOnlineStoreConfig) -> Client:
        if options.replica_connection_string is None:
            return self._get_client(options)
        if self._reads_from is None:
            self._reads_from = self._connect(options, options.replica_connection_string)
        return self._reads_from

    @staticmethod
    def _connect(options: RedisOnlineStoreConfig, connection_string: str) -> Client:
        kind = RedisType(options.redis_type).value
        return connect(connection_string, kind, sentinel_master=options.sentinel_master)


@lru_cache(maxsize=512)
def _fields(layout: ViewLayout, names: tuple[str, ...]) -> tuple[bytes, ...]:
    return (*map(layout.feature_field, names), layout.timestamp_field)
