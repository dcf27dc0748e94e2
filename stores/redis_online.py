"""Feast plug-in: the Redis online store with bulk, monotonic writes and a ttl that holds online too.

The layout in Redis is Feast's own, so plain Feast clients and this one read each other's rows. In `feature_store.yaml`:

    online_store:
      type: stores.redis_online.MillraceRedisOnlineStore
      connection_string: 127.0.0.1:6379
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from feast import Entity, FeatureView, RepoConfig
from feast.infra.online_stores.redis import RedisOnlineStore, RedisOnlineStoreConfig
from redis.exceptions import ResponseError

from stores.cells.feast_row import whole_key
from stores.cells.feature_vectors import Row, row_statuses
from stores.cells.layout import ViewLayout, check_types, layout_of
from stores.cells.reading import Status
from stores.feast_plugin import AskedRows, FoundRows, MillraceOnlineStore, Progress, Statuses
from stores.redis.connection import Client
from stores.redis.hash_fields import Asked, HashFields, hash_fields
from stores.redis.options import RedisOptions
from stores.redis.progress import clock_key, parse_clock
from stores.redis.reads import Reads
from stores.redis.store import acknowledged_by, open_client, open_reads, settings

if TYPE_CHECKING:
    from stores.cells.feast_row import FeastRow

_Type = Literal["stores.redis_online.MillraceRedisOnlineStore"]


class MillraceRedisOnlineStoreConfig(RedisOptions, RedisOnlineStoreConfig):
    """Options of the store, on top of those of Feast's Redis store; `skip_dedup` has no effect, nor has `client`."""

    type: _Type = "stores.redis_online.MillraceRedisOnlineStore"  # type: ignore[assignment]  # Feast's is "redis"
    clock: Literal["wall", "stream"] = "wall"
    """What ttl is measured against: the wall clock, or the stream's own, up to which all its rows are complete. With `stream`
    and no such key yet, no row is too old."""
    statuses: Statuses = "millrace"
    """Whose statuses Feast's clients get; with `feast` they are those of Feast's Redis store, and no ttl is applied."""


class MillraceRedisOnlineStore(MillraceOnlineStore, RedisOnlineStore):
    """Feast's Redis store with other writes, reads and meaning of ttl; `teardown` is Feast's."""

    _reads: Reads | None = None

    def update(
        self,
        config: RepoConfig,
        tables_to_delete: Sequence[FeatureView],
        tables_to_keep: Sequence[FeatureView],
        entities_to_delete: Sequence[Entity],
        entities_to_keep: Sequence[Entity],
        partial: bool,
    ) -> None:
        """Delete the rows of views that are gone.

        Raises:
            UnknownTypeError: A view that is to stay has a feature of a type that cannot be stored; nothing is changed.
            LayoutError: Or a join key of one.
        """
        check_types(tables_to_keep)
        super().update(config, tables_to_delete, tables_to_keep, entities_to_delete, entities_to_keep, partial)

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
        acknowledged = acknowledged_by(settings(options))
        for rows in encode_feast_rows(layout_of(table, config), keys, data):
            write_rows(self._get_client(options), rows, options.key_ttl_seconds or 0, acknowledged)
        if progress:
            progress(len(data))

    def find_rows(self, config: RepoConfig, asked: Sequence[AskedRows]) -> list[FoundRows]:
        """Return the rows of all views, in one round trip."""
        rows, as_of_us = self.fetch(config, asked, timed=any(one.layout.ttl_us for one in asked))
        return [
            FoundRows(found, row_statuses([row[-1] for row in found], one.layout.ttl_us, as_of_us))
            for one, found in zip(asked, rows, strict=True)
        ]

    def absent_in_feast(self, layout: ViewLayout) -> Status:
        """Return PRESENT: Feast's Redis store does not tell what is not there from a null, nor a null from a value."""
        return Status.PRESENT

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
        replies = self._open_reads(options).exchange(keys, packed)
        for reply in replies:
            if isinstance(reply, ResponseError):
                raise reply
        as_of_us = parse_clock(replies.pop()) if by_stream else self.now_us() if timed else None
        found, start = [], 0
        for one, (fields, how) in zip(asked, commands, strict=True):
            found.append(fields.cells(replies[start : start + len(one.keys)], how))
            start += len(one.keys)
        return found, as_of_us

    def stats(self) -> Mapping[str, Any]:
        """Return what reads did since the first, as JSON can hold it."""
        return self._reads.stats() if self._reads else {}

    def _get_client(self, online_store_config: RedisOnlineStoreConfig) -> Client:
        if self._client is None:
            self._client = open_client(settings(online_store_config))
        return self._client

    def _open_reads(self, options: RedisOnlineStoreConfig) -> Reads:
        if self._reads is None:
            self._reads = open_reads(settings(options), self._get_client(options))
        return self._reads


@lru_cache(maxsize=512)
def _fields(layout: ViewLayout, names: tuple[str, ...]) -> tuple[bytes, ...]:
    return (*map(layout.feature_field, names), layout.timestamp_field)
