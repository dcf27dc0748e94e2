"""Feast plug-in: the Redis online store with bulk, monotonic writes and a ttl that holds online too.

The layout in Redis is Feast's own, so plain Feast clients and this one read each other's rows. In `feature_store.yaml`:

    online_store:
      type: stores.redis_online.MillraceRedisOnlineStore
      connection_string: 127.0.0.1:6379
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from feast import FeatureView, RepoConfig, utils
from feast.infra.online_stores.redis import RedisOnlineStore, RedisOnlineStoreConfig, RedisType
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from redis.exceptions import ResponseError

from contract.service import NO_ENTITY
from stores.cells.feature_vectors import Row, append_names, append_vectors, row_statuses
from stores.cells.layout import ViewLayout, layout_of
from stores.cells.reading import Status
from stores.redis.connection import Client, connect
from stores.redis.exchange import exchange, pack_hmget
from stores.redis.progress import clock_key, parse_clock

if TYPE_CHECKING:
    from stores.redis.feast_rows import FeastRow

ReadRow = tuple[datetime | None, dict[str, Value] | None]
Progress = Callable[[int], Any]
_Type = Literal["stores.redis_online.MillraceRedisOnlineStore"]


class MillraceRedisOnlineStoreConfig(RedisOnlineStoreConfig):
    """Options of the store, on top of those of Feast's Redis store; `skip_dedup` has no effect, nor has `client`."""

    type: _Type = "stores.redis_online.MillraceRedisOnlineStore"  # type: ignore[assignment]  # Feast's is "redis"
    clock: Literal["wall", "stream"] = "wall"
    """What ttl is measured against: the wall clock, or the stream's own, up to which all its rows are complete. With `stream`
    and no such key yet, no row is too old."""
    replica_connection_string: str | None = None
    """Where reads go; None reads where writes go. A `redis_cluster` or `redis_sentinel` has it of the same type."""


class MillraceRedisOnlineStore(RedisOnlineStore):
    """Feast's Redis store with other writes, reads and meaning of ttl; `update` and `teardown` are Feast's.

    Attributes:
        now_us: The wall clock, microseconds UTC; tests set it.
    """

    now_us: Callable[[], int] = staticmethod(lambda: time.time_ns() // 1000)
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
        keys = self._generate_redis_keys_for_entities(config, [_whole(entity_key) for entity_key, _, _, _ in data])
        for rows in encode_feast_rows(layout_of(table, config), keys, data):
            write_rows(self._get_client(options), rows, options.key_ttl_seconds or 0)
        if progress:
            progress(len(data))

    async def online_write_batch_async(
        self, config: RepoConfig, table: FeatureView, data: Sequence[FeastRow], progress: Progress | None
    ) -> None:
        """Write like `online_write_batch`, in a thread."""
        await asyncio.to_thread(self.online_write_batch, config, table, data, progress)

    def online_read(
        self,
        config: RepoConfig,
        table: FeatureView,
        entity_keys: list[EntityKey],
        requested_features: list[str] | None = None,
    ) -> list[ReadRow]:
        """Read the rows of entity keys; (None, None) for a row that is not there or is outside its ttl."""
        layout = layout_of(table, config)
        names = requested_features or list(layout.feature_names)
        keys = self._generate_redis_keys_for_entities(config, entity_keys)
        replies, as_of_us = self._read(config, keys, pack_hmget(keys, _fields(layout, names)), [layout])
        statuses = row_statuses([row[-1] for row in replies], layout.ttl_us, as_of_us)
        parsed = self._convert_redis_values_to_protobuf(replies, layout.name, [*names, layout.timestamp_field.decode()])
        return [row if status == Status.PRESENT else (None, None) for row, status in zip(parsed, statuses, strict=True)]

    async def online_read_async(
        self,
        config: RepoConfig,
        table: FeatureView,
        entity_keys: list[EntityKey],
        requested_features: list[str] | None = None,
    ) -> list[ReadRow]:
        """Read like `online_read`, in a thread."""
        return await asyncio.to_thread(self.online_read, config, table, entity_keys, requested_features)

    def _read_features_per_fv(
        self,
        config: RepoConfig,
        grouped_refs: Any,
        join_key_values: Any,
        entity_name_to_join_key_map: Any,
        online_features_response: Any,
        full_feature_names: bool,
        include_feature_view_version_metadata: bool,
    ) -> None:
        """Read all views behind `get_online_features` in one round trip and append them to the response."""
        reads: list[tuple[FeatureView, list[str], ViewLayout, list[int], int]] = []
        keys: list[bytes] = []
        packed: list[bytes] = []
        for table, names in grouped_refs:
            entities, indexes, length = utils._get_unique_entities(table, join_key_values, entity_name_to_join_key_map)
            own = self._generate_redis_keys_for_entities(config, utils._get_entity_key_protos(entities))
            layout = layout_of(table, config)
            positions = [0] * length
            for row, destinations in enumerate(indexes):
                for destination in destinations:
                    positions[destination] = row
            reads.append((table, names, layout, positions, len(own)))
            keys += own
            packed += pack_hmget(own, _fields(layout, names))
        replies, as_of_us = self._read(config, keys, packed, [layout for _, _, layout, _, _ in reads])
        start = 0
        for table, names, layout, positions, count in reads:
            rows: list[Row] = replies[start : start + count]
            start += count
            append_names(
                online_features_response, table, names, full_feature_names, include_feature_view_version_metadata
            )
            statuses = row_statuses([row[-1] for row in rows], layout.ttl_us, as_of_us)
            append_vectors(online_features_response, rows, statuses, positions)

    async def _read_features_per_fv_async(self, *arguments: Any, **named: Any) -> None:
        """Read like `_read_features_per_fv`, in a thread."""
        await asyncio.to_thread(self._read_features_per_fv, *arguments, **named)

    def _read(
        self, config: RepoConfig, keys: list[bytes], packed: list[bytes], layouts: Sequence[ViewLayout]
    ) -> tuple[list[Row], int | None]:
        """Send the reads, with the stream's clock if a ttl needs it; return the rows and the time ttl counts from."""
        options = config.online_store
        timed = any(layout.ttl_us for layout in layouts)
        if timed and options.clock == "stream":
            key = clock_key(config.project).encode()
            keys, packed = [*keys, key], [*packed, b"*2\r\n$3\r\nGET\r\n$%d\r\n%b\r\n" % (len(key), key)]
        replies = exchange(self._read_client(options), keys, packed)
        for reply in replies:
            if isinstance(reply, ResponseError):
                raise reply
        if timed and options.clock == "stream":
            return replies[:-1], parse_clock(replies[-1])
        return replies, self.now_us() if timed else None

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


def _whole(entity_key: EntityKey) -> EntityKey:
    """Return the key under which a row is read: Feast's own push and write lose that of a view without entities."""
    if entity_key.join_keys:
        return entity_key
    return EntityKey(join_keys=[NO_ENTITY], entity_values=[Value(string_val="")])


def _fields(layout: ViewLayout, names: Sequence[str]) -> list[bytes]:
    return [*map(layout.feature_field, names), layout.timestamp_field]
