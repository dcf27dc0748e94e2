"""Opens DynamoDB as an online store (`stores.online.OnlineStore`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from stores.cells.layout import ViewLayout
from stores.dynamo.connection import DynamoSettings
from stores.dynamo.progress import DynamoProgress
from stores.dynamo.reader import DynamoReader
from stores.dynamo.tables import DynamoTables

if TYPE_CHECKING:
    from stores.dynamo.writer import DynamoWriter


class DynamoStore:
    """An open DynamoDB."""

    def __init__(self, tables: DynamoTables) -> None:
        """Take its tables."""
        self._tables = tables

    def reader(self, layouts: Sequence[ViewLayout]) -> DynamoReader:
        """Return a reader of these views."""
        return DynamoReader(self._tables, layouts)

    def writer(self, *layouts: ViewLayout) -> DynamoWriter:
        """Return a writer of views that have the same join keys."""
        from stores.dynamo.writer import DynamoWriter  # compiled code, which a reader never needs

        return DynamoWriter(self._tables, *layouts)

    def progress(self, project: str) -> DynamoProgress:
        """Return where the stream of a project says how far it is."""
        return DynamoProgress(self._tables, project)

    def ping(self) -> None:
        """Ask for an answer.

        Raises:
            OnlineStoreUnavailable: There is none.
        """
        self._tables.ping()

    def stats(self) -> Mapping[str, Any]:
        """Return nothing: botocore tries again by itself, and does not say how often."""
        return {}


def settings(options: Any) -> DynamoSettings:
    """Return the settings of Feast's own DynamoDB store or of Millrace's."""
    named = {field.name: getattr(options, field.name, None) for field in fields(DynamoSettings)}
    return DynamoSettings(**{name: value for name, value in named.items() if value is not None})


def open_room(settings: DynamoSettings, timeout_s: float | None = None, check: bool = True) -> DynamoStore:
    """Open DynamoDB.

    Raises:
        OnlineStoreUnavailable: It does not answer.
    """
    store = DynamoStore(DynamoTables(settings, timeout_s))
    if check:
        store.ping()
    return store
