"""Reads and writes the online store as columns: the door for programs that do not go through Feast's objects.

`OnlineWriter` writes Arrow tables, `OnlineReader` reads many entities at once; both speak Feast's Redis layout, so
every Feast client sees the same rows. `connect` opens Redis, `stores.layout.layout_of` describes a view.
"""

from stores.connection import OnlineStoreUnavailable, connect
from stores.layout import ViewLayout, layout_of
from stores.online_reader import OnlineReader
from stores.online_writer import FeatureRowsError, OnlineWriter, WriteResult
from stores.view_rows import OnlineRows, Status, ViewRows

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
