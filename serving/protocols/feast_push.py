"""Writes pushed rows into the online store, through the same monotonic writer as the stream."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from contract.types import TYPES, kind_of_value_type
from serving.protocols.answer import AnswerError
from serving.protocols.feast_values import check_column, read_columns
from serving.request.fields import describe
from serving.request.schema import RequestError
from stores.cells.layout import ViewLayout, layout_of
from stores.online import OnlineStore, open_online

if TYPE_CHECKING:
    from feast import FeatureStore, FeatureView


class Pushes:
    """Writes the rows of Feast's `POST /push`; one request at a time.

    Args:
        store: The feature store.
    """

    def __init__(self, store: FeatureStore) -> None:
        """Begin unconnected."""
        self._store = store
        self._online: OnlineStore | None = None
        self._lock = threading.Lock()

    def push(self, body: object, most: int) -> dict[str, int]:
        """Write one request's rows; blocks. Return how many rows were written, and how many were older than what is there.

        Raises:
            RequestError: The request does not fit.
            AnswerError: No view has that push source.
            OnlineStoreUnavailable: The store does not answer.
        """
        if type(body) is not dict:
            raise RequestError(None, f"expected a JSON object, got {describe(body)}")
        name = body.get("push_source_name")
        if type(name) is not str:
            raise RequestError("push_source_name", f"expected the name of a push source, got {describe(name)}")
        if body.get("to", "online") != "online":
            raise RequestError(
                "to",
                f'expected "online", got {describe(body.get("to"))}; history comes from the lake, write events there',
            )
        columns = read_columns(body.get("df"), "df", most)
        views = self._views_of(name)
        tables = [(layout, time, _table(layout, columns, time)) for layout, time in map(self._described, views)]
        counts = {"written": 0, "stale": 0, "superseded": 0}
        with self._lock:
            if self._online is None:
                self._online = open_online(self._store.config, check=False)
            for layout, time, table in tables:
                result = self._online.writer(layout).write(table, time)
                for count in counts:
                    counts[count] += getattr(result, count)
        return counts

    def _views_of(self, source: str) -> Sequence[FeatureView]:
        from feast.data_source import PushSource

        store = self._store
        every = [*store.list_feature_views(allow_cache=True), *store.list_stream_feature_views(allow_cache=True)]
        pushed: dict[str, list[FeatureView]] = {}
        for one in every:
            if isinstance(one.stream_source, PushSource):
                pushed.setdefault(one.stream_source.name, []).append(one)
        found = pushed.get(source)
        if found is None:
            names = ", ".join(sorted(pushed)) or "none"
            raise AnswerError(404, f"no view has a push source {source}; there are {names}", field="push_source_name")
        return found

    def _described(self, view: FeatureView) -> tuple[ViewLayout, str]:
        time = getattr(view.batch_source, "timestamp_field", None) or "event_timestamp"
        return layout_of(view, self._store.config), time


def _table(layout: ViewLayout, columns: dict[str, list[Any]], time: str) -> pa.Table:
    """Return the columns of a view; what it does not have is passed over."""
    keys = {name: kind_of_value_type(kind) for name, kind in layout.join_keys}
    kinds = {**keys, **{name: kind_of_value_type(kind) for name, kind in layout.features}, time: "timestamp"}
    arrays = {}
    for name, kind in kinds.items():
        if name not in columns:
            raise RequestError(f"df.{name}", f"is missing; {layout.name} needs a value of type {kind} for each row")
        values = check_column(columns[name], kind, f"df.{name}", name != time and name not in keys)
        arrays[name] = pa.array(values, TYPES[kind].arrow)
    return pa.table(arrays)
