"""Feast plug-in: the offline store for one machine, point-in-time joins with DuckDB over Parquet feature logs.

In `feature_store.yaml`:

    offline_store:
      type: stores.asof_offline.AsofOfflineStore
      memory_limit: 4GB
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import duckdb
import pandas as pd
import pyarrow as pa
from feast import FeatureView, OnDemandFeatureView, RepoConfig
from feast.data_source import DataSource
from feast.feature_logging import LoggingConfig, LoggingSource
from feast.feature_view import DUMMY_ENTITY_ID, DUMMY_ENTITY_VAL
from feast.infra.offline_stores.file_source import FileLoggingDestination
from feast.infra.offline_stores.offline_store import OfflineStore, RetrievalMetadata
from feast.infra.registry.base_registry import BaseRegistry
from feast.repo_config import FeastConfigBaseModel
from feast.utils import (
    _get_requested_feature_views_to_features_dict,
    _get_requested_on_demand_feature_views,
    compute_non_entity_date_range,
)

from stores.parquet.arrow_job import ArrowRetrievalJob, address_of
from stores.parquet.asof_join import LogColumns, asof_join
from stores.parquet.feature_log import FeatureLogError, FeatureLogMissingError
from stores.parquet.labels import Labels, LabelsError, read_labels
from stores.parquet.log_rows import all_rows, latest_rows
from stores.parquet.log_source import open_duckdb
from stores.parquet.range_labels import check_same_keys, labels_between
from stores.parquet.served_log import write_served
from stores.parquet.view_logs import log_columns, log_of, log_query


class AsofOfflineStoreConfig(FeastConfigBaseModel):
    """Options of the store."""

    type: Literal["stores.asof_offline.AsofOfflineStore"] = "stores.asof_offline.AsofOfflineStore"
    threads: int | None = None
    """DuckDB's threads; None takes all cores."""
    memory_limit: str | None = None
    """DuckDB's memory, such as `4GB`, beyond which it spills to disk; None takes 80 % of the machine."""


class AsofOfflineStore(OfflineStore):
    """Reads and appends feature logs in Parquet files."""

    supports_filter_by_created_timestamp = True

    @staticmethod
    def get_historical_features(
        config: RepoConfig,
        feature_views: list[FeatureView],
        feature_refs: list[str],
        entity_df: pd.DataFrame | str | None,
        registry: BaseRegistry,
        project: str,
        full_feature_names: bool = False,
        **kwargs: Any,
    ) -> ArrowRetrievalJob:
        """Join features to the rows of entity_df as they were at its event timestamps.

        The result has every row of entity_df, in its order, with its own columns; the event timestamp comes back in
        UTC, microseconds. A row holds for labels with `event_timestamp >= label - ttl` (rule 9); without one the
        features are null. Without entity_df there is a row for each entity and instant between `start_date` and `end_date`
        (now; as long before as the longest ttl, or 30 days) at which a value of the views changed.

        Args:
            config: The configuration.
            feature_views: The views asked for.
            feature_refs: The features.
            entity_df: A data frame of labels; None for those of the logs.
            registry: Where on-demand views are found.
            project: The project.
            full_feature_names: Whether features are named `view__feature`.
            kwargs: `start_date`, `end_date`; `filter_by_created_timestamp`: whether a row counts only from its created timestamp
                on, where its source has no time of being known (rule 12); one without it counts from its event time.

        Raises:
            LabelsError: entity_df is not a data frame, or lacks a join key or an event timestamp; or there is none, and the
                views have different join keys.
            FeatureLogMissingError: A view has no feature log yet (when the job runs).
        """
        on_demand = _get_requested_on_demand_feature_views(feature_refs, project, registry)
        requested, _ = _get_requested_feature_views_to_features_dict(feature_refs, feature_views, on_demand)
        views = [log_columns(config, view, names, full_feature_names) for view, names in requested.items()]
        if kwargs.get("filter_by_created_timestamp"):
            views = [replace(view, known=view.known or view.created) for view in views]
        labels = None
        if entity_df is None:
            keys = check_same_keys(views)
            first, last = compute_non_entity_date_range(feature_views, kwargs.get("start_date"), kwargs.get("end_date"))
        else:
            labels = read_labels(entity_df, [given for view in views for _, given in view.join_keys])
            keys = [name for name in labels.table.column_names if name != labels.timestamp]
            first, last = labels.first, labels.last

        def run() -> pa.Table:
            options = config.offline_store
            with open_duckdb(options.threads, options.memory_limit) as connection:
                return _join_views(connection, labels or labels_between(connection, views, first, last), views)

        return ArrowRetrievalJob(
            run,
            config.repo_path,
            full_feature_names,
            OnDemandFeatureView.get_requested_odfvs(feature_refs, project, registry),
            RetrievalMetadata(feature_refs, keys, first, last),
        )

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
        query = log_query(
            config, data_source, join_key_columns, feature_name_columns, timestamp_field, created_timestamp_column
        )
        return _pull(
            config, lambda connection: latest_rows(connection, query, start_date, end_date), not query.join_keys
        )

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
        query = log_query(
            config, data_source, join_key_columns, feature_name_columns, timestamp_field, created_timestamp_column
        )
        return _pull(config, lambda connection: all_rows(connection, query, start_date, end_date))

    @staticmethod
    def offline_write_batch(
        config: RepoConfig, feature_view: FeatureView, table: pa.Table, progress: Callable[[int], Any] | None
    ) -> None:
        """Append rows to a view's feature log, in the partition of each row's day.

        Raises:
            FeatureLogError: The table lacks a column of the view.
        """
        source: Any = feature_view.batch_source
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
        log_of(config, source, feature_view.name).append(table, timestamp)
        if progress:
            progress(table.num_rows)

    @staticmethod
    def write_logged_features(
        config: RepoConfig,
        data: pa.Table | Path,
        source: LoggingSource,
        logging_config: LoggingConfig,
        registry: BaseRegistry,
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


def _join_views(connection: duckdb.DuckDBPyConnection, labels: Labels, views: list[LogColumns]) -> pa.Table:
    result = labels.table
    for view in views:
        taken = [name for _, name in view.features if name in result.column_names]
        if taken:
            raise LabelsError(
                f"{view.log.name}: a column {', '.join(taken)} is there already; "
                "drop it from entity_df, or ask with full_feature_names=True."
            )
        given = [name for _, name in view.join_keys]
        joined = asof_join(connection, labels.keyed_by(given), view)
        for name in joined.column_names:
            result = result.append_column(name, joined.column(name))
    return result


def _pull(
    config: RepoConfig, read: Callable[[duckdb.DuckDBPyConnection], pa.Table], without_entity: bool = False
) -> ArrowRetrievalJob:
    options = config.offline_store

    def run() -> pa.Table:
        with open_duckdb(options.threads, options.memory_limit) as connection:
            table = read(connection)
        if without_entity:
            table = table.append_column(DUMMY_ENTITY_ID, pa.array([DUMMY_ENTITY_VAL] * table.num_rows, pa.string()))
        return table

    return ArrowRetrievalJob(run, config.repo_path)
