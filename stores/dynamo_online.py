"""Feast plug-in: a DynamoDB online store with monotonic writes and a ttl that holds online too.

Tables and items are those of Feast's own store, so plain Feast clients and this one read each other's rows. In
`feature_store.yaml`:

    online_store:
      type: stores.dynamo_online.MillraceDynamoOnlineStore
      region: eu-central-1
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

from feast import Entity, FeatureView, RepoConfig
from feast.infra.key_encoding_utils import serialize_entity_key
from feast.infra.online_stores.helpers import compute_versioned_name
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.repo_config import FeastConfigBaseModel

from stores.cells.feast_row import FeastRow, micros_of, whole_key
from stores.cells.feature_vectors import Row, row_statuses
from stores.cells.layout import ViewLayout, check_types, layout_of
from stores.cells.reading import Status
from stores.dynamo.connection import DynamoSettings
from stores.dynamo.items import entity_id, item_of, row_of
from stores.dynamo.progress import TABLE
from stores.dynamo.schema import create_table, drop_table
from stores.dynamo.store import settings
from stores.dynamo.tables import DynamoTables
from stores.feast_plugin import AskedRows, FoundRows, MillraceOnlineStore, Progress, Statuses

if TYPE_CHECKING:
    from feast.infra.infra_object import InfraObject

_Type = Literal["stores.dynamo_online.MillraceDynamoOnlineStore"]


class MillraceDynamoOnlineStoreConfig(FeastConfigBaseModel):
    """Options of the store, called as those of Feast's DynamoDB store."""

    type: _Type = "stores.dynamo_online.MillraceDynamoOnlineStore"
    region: str | None = None
    """The AWS region; that of the environment if it is not given."""
    endpoint_url: str | None = None
    """The server, where it is not Amazon's own."""
    table_name_template: str = "{project}.{table_name}"
    consistent_reads: bool = False
    """Whether a read sees every write before it, at twice the price."""
    tags: dict[str, str] | None = None
    """AWS tags of the tables that `feast apply` creates."""
    connect_timeout: float | None = None
    """Seconds; 2, or what the program that reads says, if it is not given."""
    read_timeout: float | None = None
    """Seconds; 10, or what the program that reads says, if it is not given."""
    total_max_retry_attempts: int = 3
    """How often a request is sent, the first time included."""
    max_pool_connections: int = 16
    """How many requests are under way at a time."""
    statuses: Statuses = "millrace"
    """Whose statuses Feast's clients get; with `feast` they are those of Feast's DynamoDB store, and no ttl is applied."""


class MillraceDynamoOnlineStore(MillraceOnlineStore):
    """Feast's DynamoDB layout with other writes, reads and meaning of ttl."""

    _opened: tuple[DynamoSettings, DynamoTables] | None = None

    def open(self, config: RepoConfig) -> DynamoTables:
        """Return the tables; the first time a client is made, which takes a while and sends nothing."""
        wanted = settings(config.online_store)
        if self._opened is None or self._opened[0] != wanted:
            self._opened = wanted, DynamoTables(wanted)
        return self._opened[1]

    def online_write_batch(
        self, config: RepoConfig, table: FeatureView, data: Sequence[FeastRow], progress: Progress | None
    ) -> None:
        """Write rows of a view, each only if no newer one is stored; an equal event time is written.

        Raises:
            OnlineStoreUnavailable: DynamoDB does not answer.
        """
        layout, tables = layout_of(table, config), self.open(config)
        join_keys = {name for name, _ in layout.join_keys}  # among a stream view's features; the id has them already
        newest: dict[str, tuple[int, FeastRow]] = {}
        for row in data:
            entity, micros = _entity_id(whole_key(row[0])), micros_of(row[2])
            if entity not in newest or newest[entity][0] <= micros:
                newest[entity] = micros, row
        items = [
            item_of(entity, micros, ((n, v.SerializeToString()) for n, v in row[1].items() if n not in join_keys))
            for entity, (micros, row) in newest.items()
        ]
        tables.put(tables.settings.table_name(layout.project, layout.name), items)
        if progress:
            progress(len(data))

    def find_rows(self, config: RepoConfig, asked: Sequence[AskedRows]) -> list[FoundRows]:
        """Return the rows of all views; a ttl counts from the wall clock."""
        now = self.now_us()
        return [
            FoundRows(rows, row_statuses([row[-1] for row in rows], one.layout.ttl_us, now))
            for one, rows in zip(asked, self.fetch(config, asked), strict=True)
        ]

    def absent_in_feast(self, layout: ViewLayout) -> Status:
        """Return NOT_FOUND; Feast's DynamoDB store tells what is not there, but not a null from a value."""
        return Status.NOT_FOUND

    def fetch(self, config: RepoConfig, asked: Sequence[AskedRows]) -> list[list[Row]]:
        """Return the rows of all views, in as few requests as hold them.

        Raises:
            OnlineStoreUnavailable: DynamoDB does not answer.
        """
        tables = self.open(config)
        places = [
            (
                tables.settings.table_name(one.layout.project, one.layout.name),
                [entity_id(key) for key in one.keys],
            )
            for one in asked
        ]
        ids: dict[str, dict[str, None]] = {}
        names: dict[str, dict[str, None]] = {}
        for one, (table, entities) in zip(asked, places, strict=True):
            ids.setdefault(table, {}).update(dict.fromkeys(entities))
            names.setdefault(table, {}).update(dict.fromkeys(one.names))
        found = tables.get({t: list(i) for t, i in ids.items()}, {t: list(n) for t, n in names.items()})
        return [
            [row_of(found.get((table, entity)), one.names) for entity in entities]
            for one, (table, entities) in zip(asked, places, strict=True)
        ]

    def update(
        self,
        config: RepoConfig,
        tables_to_delete: Sequence[FeatureView],
        tables_to_keep: Sequence[FeatureView],
        entities_to_delete: Sequence[Entity],
        entities_to_keep: Sequence[Entity],
        partial: bool,
    ) -> None:
        """Create the tables of views that have none, and drop those of views that are gone.

        Raises:
            UnknownTypeError: A view that is to stay has a feature of a type that cannot be stored; nothing is changed.
            LayoutError: Or a join key of one.
        """
        check_types(tables_to_keep)
        for layout in [layout_of(view, config) for view in tables_to_keep]:
            tags = getattr(config.online_store, "tags", None)
            create_table(
                self.open(config).client, self.open(config).settings.table_name(layout.project, layout.name), tags
            )
        for view in tables_to_delete:
            self._drop(config, view)

    def teardown(self, config: RepoConfig, tables: Sequence[FeatureView], entities: Sequence[Entity]) -> None:
        """Drop all tables, that of the stream's progress too."""
        for view in tables:
            self._drop(config, view)
        opened = self.open(config)
        drop_table(opened.client, opened.settings.table_name(config.project, TABLE))

    def plan(self, config: RepoConfig, desired_registry_proto: Any) -> list[InfraObject]:
        """Return nothing: `update` looks for itself."""
        return []

    def _drop(self, config: RepoConfig, view: FeatureView) -> None:
        name = compute_versioned_name(view, config.registry.enable_online_feature_view_versioning)
        opened = self.open(config)
        drop_table(opened.client, opened.settings.table_name(config.project, name))


def _entity_id(entity_key: EntityKey) -> str:
    return entity_id(serialize_entity_key(entity_key, entity_key_serialization_version=3))
