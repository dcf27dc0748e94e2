"""Reads and writes the online store as columns: the door for programs that do not go through Feast's objects.

`OnlineWriter` writes Arrow tables, `OnlineReader` reads many entities at once; both speak Feast's Redis layout, so
every Feast client sees the same rows. `connect` opens Redis, `stores.cells.layout.layout_of` describes a view.
"""

from __future__ import annotations

from stores.cells.layout import ViewLayout, layout_of
from stores.cells.view_rows import OnlineRows, Status, ViewRows
from stores.redis.connection import OnlineStoreUnavailable, connect
from stores.redis.reader import OnlineReader
from stores.redis.writer import FeatureRowsError, OnlineWriter, WriteResult

__all__ = [
    "FeatureRowsError",
    "OnlineReader",
    "OnlineRows",
    "OnlineStoreUnavailable",
    "OnlineWriter",
    "Status",
    "ViewLayout",
    "ViewRows",
    "WriteResult",
    "connect",
    "layout_of",
]
