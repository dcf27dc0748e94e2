"""Translates Feast's views and file sources into what to read from which feature log.

A source's field mapping goes from the name in the files to the name in Feast; here it is needed the other way round.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from feast import FeatureView, RepoConfig
from feast.data_source import DataSource
from feast.feature_view import DUMMY_ENTITY_ID
from feast.infra.offline_stores.file_source import FileSource

from contract.tags import read_tags
from stores.parquet.arrow_job import address_of
from stores.parquet.asof_sql import LogColumns
from stores.parquet.feature_log import FeatureLog, FeatureLogError
from stores.parquet.log_rows import LogQuery


def log_of(config: RepoConfig, source: DataSource | None, name: str) -> FeatureLog:
    """Return the feature log of a view's batch source.

    Raises:
        FeatureLogError: The source is not a FileSource.
    """
    if not isinstance(source, FileSource):
        raise FeatureLogError(
            f"{name}: the ASOF offline store reads FileSource, not {type(source).__name__}; "
            "give the view a FileSource as its batch source."
        )
    return FeatureLog(name, address_of(config.repo_path, source))


def log_columns(
    config: RepoConfig, view: FeatureView, features: list[str], full_feature_names: bool, by_created: bool = False
) -> LogColumns:
    """Return what to join from a view; the join keys under the names that its projection gives them in entity_df."""
    source: Any = view.batch_source
    log = log_of(config, source, view.name)
    stored = {name: column for column, name in source.field_mapping.items()}
    prefix = f"{view.projection.name_alias or view.name}__" if full_feature_names else ""
    created = source.created_timestamp_column
    known = read_tags(source.name, source.tags, "source").get("arrived", "")
    return LogColumns(
        log=log,
        join_keys=tuple(
            (stored.get(field.name, field.name), view.projection.join_key_map.get(field.name, field.name))
            for field in view.entity_columns
            if field.name != DUMMY_ENTITY_ID
        ),
        features=tuple((stored.get(name, name), prefix + name) for name in features),
        timestamp=stored.get(source.timestamp_field, source.timestamp_field),
        created=stored.get(created, created) or None,
        known=stored.get(known, known) or None,
        ttl_us=view.ttl // timedelta(microseconds=1) if view.ttl else 0,
        by_created=by_created,
        values=tuple(stored.get(field.name, field.name) for field in view.features),
    )


def log_query(
    config: RepoConfig,
    source: DataSource,
    join_keys: list[str],
    features: list[str],
    timestamp: str,
    created: str | None,
    start: datetime | None,
    end: datetime | None,
) -> LogQuery:
    """Return what to read from a source; Feast names the columns as they are in the files."""
    keys = tuple(key for key in join_keys if key != DUMMY_ENTITY_ID)
    log = log_of(config, source, source.name)
    return LogQuery(log, keys, tuple(features), timestamp, created or None, start, end)
