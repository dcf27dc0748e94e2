"""Feast's offline store interface over feature logs in Parquet; which engine does the work, the configuration says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
from feast import FeatureView, OnDemandFeatureView, RepoConfig
from feast.data_source import DataSource
from feast.feature_view import DUMMY_ENTITY_ID, DUMMY_ENTITY_VAL
from feast.infra.offline_stores.file_source import FileLoggingDestination
from feast.infra.offline_stores.offline_store import OfflineStore, RetrievalMetadata
from feast.infra.registry.base_registry import BaseRegistry
from feast.utils import (
    _get_requested_feature_views_to_features_dict,
    _get_requested_on_demand_feature_views,
    compute_non_entity_date_range,
)

from stores.parquet.arrow_job import ArrowRetrievalJob, address_of
from stores.parquet.asof_sql import LogColumns
from stores.parquet.duckdb_connection import open_duckdb
from stores.parquet.engine import Engine, joins_of
from stores.parquet.feature_log import FeatureLogError, FeatureLogMissingError
from stores.parquet.label_query import run_query
from stores.parquet.labels import TIMESTAMP, Labels, LabelsError, read_labels
from stores.parquet.log_rows import LogQuery
from stores.parquet.provenance import PROVENANCE, provenance_of
from stores.parquet.range_labels import check_same_keys, labels_between
from stores.parquet.served_log import write_served
from stores.parquet.view_logs import log_columns, log_of, log_query


class ParquetOfflineStore(OfflineStore):
    """Reads and appends feature logs, here or far away."""

    supports_filter_by_created_timestamp = True

    @staticmethod
    def get_historical_features(
        config: RepoConfig,
        feature_views: list[FeatureView],
        feature_refs: list[str],
        entity_df: pd.DataFrame | pa.Table | str | None,
        registry: BaseRegistry,
        project: str,
        full_feature_names: bool = False,
        filter_by_created_timestamp: bool = False,
        **kwargs: Any,
    ) -> ArrowRetrievalJob:
        """Join features to the rows of entity_df as they were at its event timestamps.

        The result has every row of entity_df, in its order, with its own columns; the event timestamp comes back in
        UTC, microseconds. A row holds for labels with `event_timestamp >= label - ttl` (rule 9); without one the
        features are null. Without entity_df there is a row for each entity and instant between `start_date` and `end_date`
        (now; as long before as the longest ttl, or 30 days) at which a value of the views changed. The schema's metadata says what
        the result was made of (`stores.parquet.provenance`).

        Args:
            config: The repo's configuration.
            feature_views: The views asked for.
            feature_refs: The features asked for.
            entity_df: A pandas DataFrame, an Arrow table, or SQL (see `stores.parquet.label_query`); None for the logs' own instants.
            registry: Knows on-demand views, and the tables that SQL may name.
            project: The project.
            full_feature_names: Whether features are named `view__feature`.
            filter_by_created_timestamp: Whether a row became known no earlier than it was created.
            **kwargs: `start_date` and `end_date`, for a call without entity_df.

        Raises:
            LabelsError: entity_df is something else, lacks a join key or an event timestamp, or has a feature's name; or there is
                none, and the views have different join keys.
            FeatureLogMissingError: A view has no feature log yet (when the job runs).
        """
        on_demand = _get_requested_on_demand_feature_views(feature_refs, project, registry)
        requested, _ = _get_requested_feature_views_to_features_dict(feature_refs, feature_views, on_demand)
        views = [
            log_columns(config, view, names, full_feature_names, filter_by_created_timestamp)
            for view, names in requested.items()
        ]
        given: Labels | None = None
        if entity_df is None:
            keys = check_same_keys(views)
            first, last = compute_non_entity_date_range(feature_views, kwargs.get("start_date"), kwargs.get("end_date"))
        else:
            rows = run_query(config, registry, project, entity_df) if isinstance(entity_df, str) else entity_df
            given = read_labels(rows, [name for view in views for _, name in view.join_keys])
            keys = [name for name in given.table.column_names if name != given.timestamp]
            first, last = given.first, given.last
        own = given.table.column_names if given else [TIMESTAMP, *keys]
        asked_on_demand = OnDemandFeatureView.get_requested_odfvs(feature_refs, project, registry)

        def run() -> Iterator[pa.Table]:
            taken = set(own)
            for view in views:
                twice = [name for _, name in view.features if name in taken]
                if twice:
                    raise LabelsError(
                        f"{view.log.name}: a column {', '.join(twice)} is there already; "
                        "drop it from entity_df, or ask with full_feature_names=True."
                    )
                taken |= {name for _, name in view.features}
            labels = given or _changes(views, first, last)
            joins = joins_of(labels, views)
            made_of = {PROVENANCE: provenance_of(list(requested), asked_on_demand, feature_refs, labels, joins)}
            done = 0
            for features in _engine(config).join(joins, labels.table.num_rows):
                piece = labels.table.slice(done, features.num_rows if views else None)
                done += piece.num_rows
                for name in features.column_names:
                    piece = piece.append_column(name, features.column(name))
                yield piece.replace_schema_metadata(made_of)

        asked = RetrievalMetadata(feature_refs, keys, first, last)
        return ArrowRetrievalJob(run, config.repo_path, asked, full_feature_names, asked_on_demand, own)

    @staticmethod
    def pull_latest_from_table_or_query(
        config: RepoConfig,
        data_source: DataSource,
        join_key_columns: list[str],
        feature_name_columns: list[str],
        timestamp_field: str,
        created_timestamp_column: str | None,
        start_date: datetime,
        end_date: datetime,
    ) -> ArrowRetrievalJob:
        """Read each entity's newest row between two times, both included; what `feast materialize` writes online."""
        names = (join_key_columns, feature_name_columns, timestamp_field, created_timestamp_column)
        query = log_query(config, data_source, *names, start_date, end_date)
        without_entity = not query.join_keys

        def run() -> Iterator[pa.Table]:
            for rows in _engine(config).latest_rows(query):
                yield _with_dummy_entity(rows) if without_entity else rows

        return ArrowRetrievalJob(run, config.repo_path, _metadata_of(query))

    @staticmethod
    def pull_all_from_table_or_query(
        config: RepoConfig,
        data_source: DataSource,
        join_key_columns: list[str],
        feature_name_columns: list[str],
        timestamp_field: str,
        created_timestamp_column: str | None = None,
        start_date: datetime | None = None,
        end_date: datetime | None = None,
    ) -> ArrowRetrievalJob:
        """Read all rows between two times, both included; None leaves an end open."""
        names = (join_key_columns, feature_name_columns, timestamp_field, created_timestamp_column)
        query = log_query(config, data_source, *names, start_date, end_date)
        return ArrowRetrievalJob(lambda: _engine(config).all_rows(query), config.repo_path, _metadata_of(query))

    @staticmethod
    def write_logged_features(
        config: RepoConfig, data: pa.Table | Path, source: Any, logging_config: Any, registry: BaseRegistry
    ) -> None:
        """Add what a feature server served to the folder that a feature service's logging names.

        Raises:
            FeatureLogError: The destination is not a folder of files.
        """
        destination = logging_config.destination
        if not isinstance(destination, FileLoggingDestination):
            raise FeatureLogError(
                f"feature logging: {type(destination).__name__} is not a folder; use FileLoggingDestination(path=...)."
            )
        write_served(address_of(config.repo_path, destination), data, destination.partition_by or [])

    @staticmethod
    def offline_write_batch(
        config: RepoConfig, feature_view: FeatureView, table: pa.Table, progress: Callable[[int], Any] | None
    ) -> None:
        """Append rows to a view's feature log, in the partition of each row's day.

        Raises:
            FeatureLogError: The table lacks a column of the view, or a row has no event time.
        """
        source: Any = feature_view.batch_source
        log = log_of(config, source, feature_view.name)
        stored = {name: column for column, name in source.field_mapping.items()}
        table = table.rename_columns([stored.get(name, name) for name in table.column_names])
        timestamp = stored.get(source.timestamp_field, source.timestamp_field)
        names = [*feature_view.join_keys, *(field.name for field in feature_view.features)]
        needed = [*(stored.get(name, name) for name in names if name != DUMMY_ENTITY_ID), timestamp]
        absent = [name for name in needed if name not in table.column_names]
        if absent:
            raise FeatureLogError(
                f"{feature_view.name}: the rows have no column {', '.join(absent)}; have {table.column_names}."
            )
        if table.column(timestamp).null_count:
            raise FeatureLogError(
                f"{feature_view.name}: {table.column(timestamp).null_count} rows have no {timestamp}; drop them."
            )
        log.append(table, timestamp)
        if progress:
            progress(table.num_rows)

    def validate_data_source(self, config: RepoConfig, data_source: DataSource) -> None:
        """Accept a log that is not written yet: a repo is applied before its first backfill."""
        log = log_of(config, data_source, data_source.name)
        try:
            columns = log.schema().names
        except FeatureLogMissingError:
            return
        if data_source.timestamp_field and data_source.timestamp_field not in columns:
            raise FeatureLogError(f"{log.name}: no column {data_source.timestamp_field} in {log.path}; have {columns}.")

    def get_table_column_names_and_types_from_data_source(
        self, config: RepoConfig, data_source: DataSource
    ) -> Iterable[tuple[str, str]]:
        """Return the log's columns with their Arrow types; the partition column is not one of them.

        Raises:
            FeatureLogMissingError: There is no log yet.
        """
        schema = log_of(config, data_source, data_source.name).schema()
        return [(field.name, str(field.type)) for field in schema]


def _engine(config: RepoConfig) -> Engine:
    options: Any = config.offline_store  # of the plug-in that is configured
    return options.open_engine(config.repo_path)


def _changes(views: Sequence[LogColumns], first: datetime, last: datetime) -> Labels:
    """Return labels for a call without any; with either engine DuckDB finds them."""
    with open_duckdb() as connection:
        return labels_between(connection, views, first, last)


def _with_dummy_entity(rows: pa.Table) -> pa.Table:
    return rows.append_column(DUMMY_ENTITY_ID, pa.array([DUMMY_ENTITY_VAL] * rows.num_rows, pa.string()))


def _metadata_of(query: LogQuery) -> RetrievalMetadata:
    """Return what a pull was asked for, so that its result may be a saved dataset, too."""
    names = [f"{query.log.name}:{name}" for name in query.features]
    return RetrievalMetadata(names, list(query.join_keys), query.start, query.end)
