"""Writes Arrow tables of feature rows to Redis, in bulk and monotonically.

Views with the same join keys share the hash of an entity: their rows of an entity go in one write.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from stores.cells.cell_columns import CellColumns, Strings
from stores.cells.entity_keys import EntityKeyEncoder
from stores.cells.layout import ViewLayout
from stores.feature_tables import check_table, encode_keys
from stores.online import WriteResult
from stores.redis.calls import newest_rows
from stores.redis.connection import Client
from stores.redis.exchange import Acknowledged
from stores.redis.monotonic import PackedRows, pack_rows, packed_string, send_rows

Ints = npt.NDArray[np.int64]

_ROWS_AT_ONCE = 1024  # encoded while Redis is at work on those before
_AT_ONCE = 2  # blocks that are under way: with one, Redis would wait while its answer is read and the next is sent


class OnlineWriter:
    """Writes the rows of feature views that have the same join keys.

    Args:
        client: Redis, from `stores.redis.connection.connect`; thread-safe, and so is the writer.
        layouts: The views; at least one, all with the same join keys.
        key_ttl_seconds: Seconds until an entity's whole key expires, counted anew by each write; None for never.
        acknowledged: Which replicas must have a write before it counts as made; None for none.
    """

    def __init__(
        self,
        client: Client,
        *layouts: ViewLayout,
        key_ttl_seconds: int | None = None,
        acknowledged: Acknowledged | None = None,
    ) -> None:
        self._client = client
        self._layouts = {layout.name: layout for layout in layouts}
        self._key_ttl_seconds = key_ttl_seconds or 0
        self._acknowledged = acknowledged
        self._keys = EntityKeyEncoder(layouts[0].project, layouts[0].join_keys)
        self._join_keys = layouts[0].join_keys

    def write(self, table: pa.Table, timestamp_column: str) -> WriteResult:
        """Write rows of the first view: `write_views`."""
        return self.write_views({next(iter(self._layouts)): table}, timestamp_column)

    def write_views(
        self, tables: Mapping[str, pa.Table], timestamp_column: str, replace_until: int | None = None
    ) -> WriteResult:
        """Write the newest row of each key and view, unless Redis holds a newer one; at equal times the last one wins.

        Args:
            tables: By view: join keys, features and the event time; other columns are ignored. Null features are stored
                as missing.
            timestamp_column: The event time's column: a timestamp, UTC; without a zone it is taken as UTC.
                Nanoseconds are cut to microseconds.
            replace_until: Microseconds: stored rows of until then are replaced even by older ones, for the writer knows better;
                None for none.

        Raises:
            FeatureRowsError: A column is absent, or a join key or event time is null.
            OnlineStoreUnavailable: Redis does not answer; rows up to then may be stored, writing again is safe.
        """
        layouts = [self._layouts[view] for view in tables]
        times = [
            check_table(layout, table, timestamp_column) for layout, table in zip(layouts, tables.values(), strict=True)
        ]
        given = sum(table.num_rows for table in tables.values())
        if not given:
            return WriteResult(0, 0)
        keys = encode_keys(self._keys, self._join_keys, tables)
        starts = np.cumsum([0, *map(len, times)])
        numbers = np.repeat(np.arange(len(times)), [len(one) for one in times])
        first, places = newest_rows(keys, numbers, np.concatenate(times), len(times))
        places = np.where(places < 0, -1, places - starts[:-1, None])
        stale = self._write_groups(layouts, list(tables.values()), times, keys, first, places, replace_until)
        kept = int((places >= 0).sum())
        return WriteResult(kept - stale, stale, given - kept)

    def _write_groups(
        self,
        layouts: Sequence[ViewLayout],
        tables: Sequence[pa.Table],
        times: Sequence[Ints],
        keys: Strings,
        first: Ints,
        places: Ints,
        replace_until: int | None,
    ) -> int:
        """Write the entities that have rows of the same views together, encoding some while Redis is at work on others."""
        which = (places >= 0).T @ (1 << np.arange(len(layouts)))
        sent: list[Future[int]] = []
        with ThreadPoolExecutor(max_workers=_AT_ONCE) as sender:
            for group in np.unique(which).tolist():
                entities = np.flatnonzero(which == group)
                views = [view for view in range(len(layouts)) if group >> view & 1]
                for start in range(0, len(entities), _ROWS_AT_ONCE):
                    some = entities[start : start + _ROWS_AT_ONCE]
                    packed = self._pack(
                        [layouts[view] for view in views],
                        [tables[view] for view in views],
                        [times[view] for view in views],
                        _some(keys, first[some]),
                        places[views][:, some],
                        replace_until,
                    )
                    if len(first) <= _ROWS_AT_ONCE:  # little to do: a thread would cost more
                        sent.append(_done(send_rows(self._client, packed, self._acknowledged)))
                        continue
                    if len(sent) >= _AT_ONCE:
                        sent[-_AT_ONCE].result()
                    sent.append(sender.submit(send_rows, self._client, packed, self._acknowledged))
            return sum(one.result() for one in sent)

    def _pack(
        self,
        layouts: Sequence[ViewLayout],
        tables: Sequence[pa.Table],
        times: Sequence[Ints],
        keys: Strings,
        places: Ints,
        replace_until: int | None,
    ) -> PackedRows:
        """Pack the rows of some entities, all of them of the same views."""
        cells = CellColumns()
        parts = []
        for view, (layout, table) in enumerate(zip(layouts, tables, strict=True)):
            low, high = int(places[view].min()), int(places[view].max()) + 1
            parts.append((table.slice(low, high - low), low))
            cells.add_times(times[view][low:high], view, packed_string(layout.timestamp_field))
        for view, (layout, (part, _)) in enumerate(zip(layouts, parts, strict=True)):
            for name, value_type in layout.features:
                where = f"{layout.name}.{name}"
                cells.add(part.column(name), value_type, where, view, packed_string(layout.feature_field(name)))
        rows = cells.rows(places - np.array([[low] for _, low in parts]), named=True)
        views = [(layout.timestamp_field, len(layout.features)) for layout in layouts]
        return pack_rows(self._client, keys, rows, views, self._key_ttl_seconds, replace_until)


def _some(strings: Strings, chosen: Ints) -> Strings:
    """Return some of the strings."""
    if len(chosen) == len(strings):
        return strings
    lengths = np.diff(strings.bounds)[chosen]
    bounds = np.concatenate([[0], np.cumsum(lengths)])
    inside = np.repeat(strings.bounds[:-1][chosen] - bounds[:-1], lengths) + np.arange(bounds[-1])
    return Strings(strings.data[inside], bounds)


def _done(result: int) -> Future[int]:
    future: Future[int] = Future()
    future.set_result(result)
    return future
