"""Plain feature views, over tables that somebody else fills: read through Feast's offline store, written in bulk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from commands.gates import plain_gate
from contract.checks import view_checks
from contract.service import NO_ENTITY
from stores.cells.layout import layouts_of
from stores.online import open_online
from workspace.workspace import Workspace

if TYPE_CHECKING:
    from feast import FeatureStore
    from feast.repo_contents import RepoContents


def plain_views(declared: RepoContents) -> list[str]:
    """Return the names of the views that are online and that no engine of ours computes."""
    views = [*declared.feature_views, *declared.stream_feature_views]
    return sorted(view.name for view in views if view.online and not getattr(view, "aggregations", None))


def load_plain_views(
    workspace: Workspace, store: FeatureStore, views: Sequence[str], until: int | None = None
) -> Iterator[tuple[str, int]]:
    """Bring the newest row of each entity of each view into the online store, each behind its gate; yield (view, rows).

    Args:
        workspace: For the gates' pages.
        store: The feature store.
        views: The views' names.
        until: Only rows before this instant, microseconds; None for all up to now.

    Raises:
        ValidationFailed: A view's rows break an expectation; it and those after it are as they were.
        OnlineStoreUnavailable: The online store does not answer.
    """
    if not views:
        return
    online, layouts = open_online(store.config), layouts_of(store, views)
    end = datetime.now(UTC) if until is None else datetime.fromtimestamp(until / 1_000_000, UTC)
    for name in views:
        view: Any = next(v for v in [*store.list_feature_views(), *store.list_stream_feature_views()] if v.name == name)
        rows, timestamp = _newest(store, view, end)
        keys = tuple(key for key, _ in layouts[name].join_keys)
        if keys == (NO_ENTITY,) and NO_ENTITY not in rows.column_names:  # most offline stores add it
            rows = rows.append_column(NO_ENTITY, pa.array([""] * len(rows)))
        plain_gate(workspace, name, keys, layouts[name].feature_names, timestamp, rows, view_checks(view))
        yield name, online.writer(layouts[name]).write(rows, timestamp).written


def _newest(store: FeatureStore, view: Any, end: datetime) -> tuple[pa.Table, str]:
    """Return the newest row of each entity, columns under their names in Feast, and the column of the event time."""
    from feast.utils import _get_column_names, _run_pyarrow_field_mapping

    entities = [store.get_entity(entity) for entity in view.entities if entity != "__dummy"]
    keys, features, timestamp, created = _get_column_names(view, entities)
    offline = store._get_provider().offline_store  # every provider that reads tables has it
    job = offline.pull_latest_from_table_or_query(
        config=store.config,
        data_source=view.batch_source,
        join_key_columns=keys,
        feature_name_columns=features,
        timestamp_field=timestamp,
        created_timestamp_column=created,
        start_date=end - view.ttl if view.ttl else datetime(1970, 1, 1, tzinfo=UTC),
        end_date=end - timedelta(microseconds=1),
    )
    mapping = view.batch_source.field_mapping or {}
    return _run_pyarrow_field_mapping(job.to_arrow(), mapping), mapping.get(timestamp, timestamp)
