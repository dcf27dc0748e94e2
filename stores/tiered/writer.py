"""Writes rows to the tiers of their views."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from stores.cells.layout import ViewLayout
from stores.online import OnlineStore, ViewWriter, WriteResult


class TieredWriter:
    """Writes the rows of feature views that have the same join keys, the hot store's first.

    Args:
        hot: The store of tiers `hot` and `both`.
        warm: The store of tiers `warm` and `both`.
        layouts: The views; at least one, all with the same join keys.
    """

    def __init__(self, hot: OnlineStore, warm: OnlineStore, *layouts: ViewLayout) -> None:
        self._first = layouts[0].name
        self._tiers = {layout.name: layout.tier for layout in layouts}
        in_hot = [layout for layout in layouts if layout.tier != "warm"]
        in_warm = [layout for layout in layouts if layout.tier != "hot"]
        self._hot: ViewWriter | None = hot.writer(*in_hot) if in_hot else None
        self._warm: ViewWriter | None = warm.writer(*in_warm) if in_warm else None

    def write(self, table: pa.Table, timestamp_column: str) -> WriteResult:
        """Write rows of the first view: `write_views`."""
        return self.write_views({self._first: table}, timestamp_column)

    def write_views(
        self, tables: Mapping[str, pa.Table], timestamp_column: str, replace_until: int | None = None
    ) -> WriteResult:
        """Write the newest row of each key and view; rows of a view in both stores are counted as the hot one says.

        Raises:
            FeatureRowsError: A column is absent, or a join key or event time is null.
            OnlineStoreUnavailable: A store that is needed does not answer; writing again is safe.
        """
        hot = {view: table for view, table in tables.items() if self._tiers[view] != "warm"}
        both = {view: table for view, table in hot.items() if self._tiers[view] == "both"}
        warm = {view: table for view, table in tables.items() if view not in hot}
        done = [
            writer.write_views(some, timestamp_column, replace_until)
            for writer, some in ((self._hot, hot), (self._warm, warm))
            if writer and some
        ]
        if self._warm and both:
            self._warm.write_views(both, timestamp_column, replace_until)
        return WriteResult(
            sum(one.written for one in done), sum(one.stale for one in done), sum(one.superseded for one in done)
        )
