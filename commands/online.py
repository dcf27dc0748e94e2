"""Opens the online store for the engines: layouts of views, and writers that tasks and workers can open themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from stores.cells.layout import ViewLayout, layout_of
from stores.redis.connection import connect
from stores.redis.stream_rows import StreamWriter
from stores.redis.writer import OnlineWriter

if TYPE_CHECKING:
    from feast import FeatureStore


class NotAppliedError(ValueError):
    """A view that the registry does not know."""


def view_layouts(store: FeatureStore, views: list[str]) -> dict[str, ViewLayout]:
    """Return the layout of each view in Redis.

    Raises:
        NotAppliedError: A view is not in the registry.
    """
    known = {view.name: view for view in [*store.list_feature_views(), *store.list_stream_feature_views()]}
    missing = [view for view in views if view not in known]
    if missing:
        raise NotAppliedError(f"{', '.join(missing)}: not in the registry; run `make apply`.")
    return {view: layout_of(known[view], store.config) for view in views}


def connection(store: FeatureStore) -> tuple[str, str, str]:
    """Return what `connect` needs: connection string, kind of Redis, name of the Sentinel master."""
    online = store.config.online_store
    return online.connection_string, online.redis_type.value, online.sentinel_master


def table_writer(store: FeatureStore, layout: ViewLayout) -> Callable[[], OnlineWriter]:
    """Return a function, safe to send to a Spark task, that opens the writer of one view."""
    address, kind, master = connection(store)
    ttl = store.config.online_store.key_ttl_seconds
    return lambda: OnlineWriter(connect(address, kind, sentinel_master=master), layout, ttl)


def stream_writer(store: FeatureStore, layouts: dict[str, ViewLayout]) -> Callable[[], StreamWriter]:
    """Return a function that opens the writer of one stream worker."""
    (address, kind, master), project = connection(store), store.config.project
    ttl = store.config.online_store.key_ttl_seconds
    return lambda: StreamWriter(connect(address, kind, sentinel_master=master), project, layouts, ttl)
