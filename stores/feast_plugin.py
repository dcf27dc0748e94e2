"""What Millrace's Feast plug-ins share: `get_online_features` from stored bytes, and reads that leave Feast's path to them."""

from __future__ import annotations

import asyncio
import time
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from feast import FeatureView, RepoConfig, utils
from feast.infra.key_encoding_utils import serialize_entity_key
from feast.infra.online_stores.online_store import OnlineStore
from feast.infra.supported_async_methods import SupportedAsyncMethods
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value

from stores.cells.column import EPOCH
from stores.cells.entity_protos import encode_protos
from stores.cells.feature_vectors import Row, append_names, append_vectors
from stores.cells.layout import ViewLayout, layout_of
from stores.cells.reading import Status
from stores.cells.timestamps import decode_timestamps
from stores.online import OnlineStoreUnavailable

if TYPE_CHECKING:
    from stores.cells.feast_row import FeastRow

ReadRow = tuple[datetime | None, dict[str, Value] | None]
Progress = Callable[[int], Any]
Statuses = Literal["millrace", "feast"]
"""Whose statuses Feast's clients get, and whether ttl is applied for them; see docs/storage.md."""

_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class AskedRows:
    """Rows of one view that are asked for.

    Attributes:
        layout: The view.
        names: The features.
        keys: The distinct entities, serialized, without the project.
    """

    layout: ViewLayout
    names: Sequence[str]
    keys: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class FoundRows:
    """What a store has for `AskedRows`: for each entity a row and its status.

    Attributes:
        rows: The cells of the features, then the event time, as `stores.cells` has them.
        statuses: From `stores.cells.feature_vectors.row_statuses`, or UNAVAILABLE.
        absent: The status of a feature that a row does not have.
    """

    rows: list[Row]
    statuses: list[int]
    absent: int = Status.NOT_FOUND


class MillraceOnlineStore(OnlineStore):
    """An online store of Feast's whose rows are found as bytes, all views of a call together.

    Attributes:
        now_us: The wall clock, microseconds UTC; tests set it.
    """

    now_us: Callable[[], int] = staticmethod(lambda: time.time_ns() // 1000)

    @abstractmethod
    def find_rows(self, config: RepoConfig, asked: Sequence[AskedRows]) -> list[FoundRows]:
        """Return the rows of all views.

        Raises:
            OnlineStoreUnavailable: The store does not answer.
        """

    @abstractmethod
    def absent_in_feast(self, layout: ViewLayout) -> Status:
        """Return the status that Feast's own store gives a row that is not there."""

    @property
    def async_supported(self) -> SupportedAsyncMethods:
        """Say that reads and writes may be awaited; they run in a thread."""
        return SupportedAsyncMethods(read=True, write=True)

    def online_read(
        self,
        config: RepoConfig,
        table: FeatureView,
        entity_keys: list[EntityKey],
        requested_features: list[str] | None = None,
    ) -> list[ReadRow]:
        """Read the rows of entity keys; (None, None) for a row that is not there or is outside its ttl.

        Raises:
            OnlineStoreUnavailable: The store, or the tier that holds the view, does not answer.
        """
        layout = layout_of(table, config)
        names = requested_features or list(layout.feature_names)
        (found,) = self._find(config, [AskedRows(layout, names, _serialized(config, entity_keys))])
        if Status.UNAVAILABLE in found.statuses:
            raise OnlineStoreUnavailable(f"{layout.name}: the tier that holds it does not answer in time.")
        return [
            _read_row(names, row) if status == Status.PRESENT else (None, None)
            for row, status in zip(found.rows, found.statuses, strict=True)
        ]

    async def online_read_async(
        self,
        config: RepoConfig,
        table: FeatureView,
        entity_keys: list[EntityKey],
        requested_features: list[str] | None = None,
    ) -> list[ReadRow]:
        """Read like `online_read`, in a thread."""
        return await asyncio.to_thread(self.online_read, config, table, entity_keys, requested_features)

    async def online_write_batch_async(
        self, config: RepoConfig, table: FeatureView, data: Sequence[FeastRow], progress: Progress | None
    ) -> None:
        """Write like `online_write_batch`, in a thread."""
        await asyncio.to_thread(self.online_write_batch, config, table, list(data), progress)

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
        """Read all views behind `get_online_features` together and append them to the response."""
        asked: list[AskedRows] = []
        places: list[list[int]] = []
        for table, names in grouped_refs:
            layout = layout_of(table, config)
            keys = encode_protos(
                layout, utils._get_table_entity_values(table, entity_name_to_join_key_map, join_key_values)
            )
            if keys is None:
                keys = _keys_by_feast(config, table, join_key_values, entity_name_to_join_key_map)
            rows = {key: row for row, key in enumerate(dict.fromkeys(keys))}
            asked.append(AskedRows(layout, names, list(rows)))
            places.append([rows[key] for key in keys])
        found = self._find(config, asked)
        null = Status.PRESENT if _as_feast(config) else Status.NULL_VALUE
        for (table, names), there, positions in zip(grouped_refs, found, places, strict=True):
            append_names(
                online_features_response, table, names, full_feature_names, include_feature_view_version_metadata
            )
            append_vectors(online_features_response, there.rows, there.statuses, positions, there.absent, null)

    def _find(self, config: RepoConfig, asked: Sequence[AskedRows]) -> list[FoundRows]:
        """Return the rows of all views, with the statuses that the configuration wants."""
        if not _as_feast(config):
            return self.find_rows(config, asked)
        found = self.find_rows(config, [replace(one, layout=_without_ttl(one.layout)) for one in asked])
        absent = [self.absent_in_feast(one.layout) for one in asked]
        return [
            FoundRows(one.rows, [other if status == Status.NOT_FOUND else status for status in one.statuses], other)
            for one, other in zip(found, absent, strict=True)
        ]

    async def _read_features_per_fv_async(self, *arguments: Any, **named: Any) -> None:
        """Read like `_read_features_per_fv`, in a thread."""
        await asyncio.to_thread(self._read_features_per_fv, *arguments, **named)

    def _is_versioned_read_supported(self) -> bool:
        """Say that a view's version may be read: it is in the layout's name."""
        return True


def _as_feast(config: RepoConfig) -> bool:
    return bool(config.online_store.statuses == "feast")


@lru_cache(maxsize=512)
def _without_ttl(layout: ViewLayout) -> ViewLayout:
    return replace(layout, ttl_us=0)


def _keys_by_feast(config: RepoConfig, table: FeatureView, values: Any, join_keys: Any) -> list[bytes]:
    """Return the keys of the rows of a call as Feast makes them, or raise what it raises."""
    entities, indexes, length = utils._get_unique_entities(table, values, join_keys)
    keys = [b""] * length
    for key, rows in zip(_serialized(config, utils._get_entity_key_protos(entities)), indexes, strict=True):
        for row in rows:
            keys[row] = key
    return keys


def _serialized(config: RepoConfig, entity_keys: Sequence[EntityKey]) -> list[bytes]:
    return [serialize_entity_key(key, config.entity_key_serialization_version) for key in entity_keys]


def _read_row(names: Sequence[str], row: Row) -> ReadRow:
    micros = int(decode_timestamps([row[-1] or b""])[0])
    values = {name: Value.FromString(cell or b"") for name, cell in zip(names, row[:-1], strict=True)}
    return EPOCH + micros * _MICROSECOND, values
