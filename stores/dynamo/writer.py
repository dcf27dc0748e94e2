"""Writes Arrow tables of feature rows to DynamoDB, monotonically, view by view: each has a table of its own."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from stores.cells.cell_columns import CellColumns
from stores.cells.entity_keys import EntityKeyEncoder
from stores.cells.layout import ViewLayout
from stores.dynamo.items import Item, entity_id, event_text, item_of
from stores.dynamo.tables import DynamoTables
from stores.feature_tables import check_table, encode_keys
from stores.online import WriteResult

_ROWS_AT_ONCE = 4096  # bounds the memory of encoded rows


class DynamoWriter:
    """Writes the rows of feature views that have the same join keys.

    Args:
        tables: The tables; thread-safe, and so is the writer.
        layouts: The views; at least one, all with the same join keys.
    """

    def __init__(self, tables: DynamoTables, *layouts: ViewLayout) -> None:
        self._tables = tables
        self._layouts = {layout.name: layout for layout in layouts}
        self._join_keys = layouts[0].join_keys
        self._keys = EntityKeyEncoder("", self._join_keys)

    def write(self, table: pa.Table, timestamp_column: str) -> WriteResult:
        """Write rows of the first view: `write_views`."""
        return self.write_views({next(iter(self._layouts)): table}, timestamp_column)

    def write_views(
        self, tables: Mapping[str, pa.Table], timestamp_column: str, replace_until: int | None = None
    ) -> WriteResult:
        """Write the newest row of each key and view, unless DynamoDB holds a newer one; at equal times the last one wins.

        Args:
            tables: By view: join keys, features and the event time; other columns are ignored. Null features are stored
                as missing.
            timestamp_column: The event time's column: a timestamp, UTC; without a zone it is taken as UTC.
                Nanoseconds are cut to microseconds.
            replace_until: Microseconds: stored rows of until then are replaced even by older ones, for the writer knows better;
                None for none.

        Raises:
            FeatureRowsError: A column is absent, or a join key or event time is null.
            OnlineStoreUnavailable: DynamoDB does not answer; rows up to then may be stored, writing again is safe.
        """
        times = {view: check_table(self._layouts[view], one, timestamp_column).tolist() for view, one in tables.items()}
        ids = {
            view: [entity_id(key) for key in encode_keys(self._keys, self._join_keys, {view: one}).to_list()]
            for view, one in tables.items()
            if one.num_rows
        }
        replaced = "" if replace_until is None else event_text(replace_until)
        kept = stale = 0
        for view, entities in ids.items():
            layout, micros = self._layouts[view], times[view]
            newest: dict[str, int] = {}
            for row, entity in enumerate(entities):
                if entity not in newest or micros[newest[entity]] <= micros[row]:
                    newest[entity] = row
            name = self._tables.settings.table_name(layout.project, layout.name)
            rows = list(newest.values())
            for start in range(0, len(rows), _ROWS_AT_ONCE):
                some = rows[start : start + _ROWS_AT_ONCE]
                cells = _cells(layout, tables[view], some)
                items: list[Item] = [
                    item_of(entities[row], micros[row], zip(layout.feature_names, one, strict=True))
                    for row, one in zip(some, zip(*cells, strict=True) if cells else [()] * len(some), strict=True)
                ]
                stale += self._tables.put(name, items, replaced)
            kept += len(rows)
        return WriteResult(kept - stale, stale, sum(one.num_rows for one in tables.values()) - kept)


def _cells(layout: ViewLayout, table: pa.Table, rows: list[int]) -> list[list[bytes]]:
    """Return the cells of some rows, one list a feature."""
    some, places = table.take(pa.array(rows, pa.int64())), np.arange(len(rows)).reshape(1, -1)
    out = []
    for name, value_type in layout.features:
        cells = CellColumns()
        cells.add(some.column(name), value_type, f"{layout.name}.{name}", 0, b"")
        out.append(cells.rows(places, named=False).to_list())
    return out
