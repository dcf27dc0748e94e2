"""Reads many entities' features from DynamoDB in as few requests as hold them, as columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import chain

import numpy as np
import numpy.typing as npt

from stores.cells.entity_keys import EntityKeyEncoder, Values
from stores.cells.layout import ViewLayout
from stores.cells.reading import Reading
from stores.cells.view_decoding import Columns, ViewDecoder
from stores.dynamo.items import entity_id, row_of
from stores.dynamo.tables import DynamoTables


class DynamoReader:
    """Reads the rows of several feature views.

    Args:
        tables: The tables; thread-safe, and so is the reader.
        layouts: The views, with unique names or aliases.
    """

    def __init__(self, tables: DynamoTables, layouts: Sequence[ViewLayout]) -> None:
        self._tables = tables
        self._views = [
            (layout, tables.settings.table_name(layout.project, layout.name), EntityKeyEncoder("", layout.join_keys))
            for layout in layouts
        ]
        names: dict[str, dict[str, None]] = {}
        for layout, table, _ in self._views:
            names.setdefault(table, {}).update(dict.fromkeys(layout.feature_names))
        self._decoder = ViewDecoder(layouts)
        self._names = {table: list(features) for table, features in names.items()}

    def read(self, join_values: Mapping[str, Values], as_of_us: int | npt.NDArray[np.int64] | None = None) -> Reading:
        """Read the newest rows of all views for n requests; a null join key (None, NaN) is an entity never seen.

        Args:
            join_values: Per join key, one value per request.
            as_of_us: The time of the requests, int64 microseconds UTC, one for all or shape (n,). A row holds while
                `event_timestamp >= as_of - ttl`, the same bound as the offline join (rule 9). None applies no ttl.

        Raises:
            OnlineStoreUnavailable: DynamoDB does not answer, or has no table of a view.
            EntityKeyError: A join key is absent or does not fit its type.
            StoredTypeMismatchError: An item holds another type than a view declares.
        """
        ids = [self._entity_ids(layout, encoder, join_values) for layout, _, encoder in self._views]
        asked: dict[str, dict[str, None]] = {}
        for (_, table, _), entities in zip(self._views, ids, strict=True):
            asked.setdefault(table, {}).update(dict.fromkeys(entity for entity in entities if entity is not None))
        found = self._tables.get({table: list(entities) for table, entities in asked.items()}, self._names)
        views: list[Columns] = []
        for (layout, table, _), entities in zip(self._views, ids, strict=True):
            names = layout.feature_names
            rows = {
                entity: row_of(None if entity is None else found.get((table, entity)), names)
                for entity in set(entities)
            }
            cells = list(chain.from_iterable(rows[entity] for entity in entities))
            width = len(names) + 1
            views.append([cells[-1 + width :: width], *(cells[column::width] for column in range(width - 1))])
        return self._decoder.decode(views, as_of_us)

    @staticmethod
    def _entity_ids(
        layout: ViewLayout, encoder: EntityKeyEncoder, join_values: Mapping[str, Values]
    ) -> list[str | None]:
        named = dict(layout.key_columns)
        columns = ((key, named.get(key, key)) for key, _ in layout.join_keys)
        keys = encoder.encode({key: join_values[name] for key, name in columns if name in join_values})
        return [None if key is None else entity_id(key) for key in keys]
