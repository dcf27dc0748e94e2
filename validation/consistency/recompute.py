"""Asks offline for what was served: the values at the served instant, and the time of the rows that they come from."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from contract.service import EVENT_TIMESTAMP, Service, StoredView
from stores.parquet.asof_join import asof_join
from stores.parquet.duckdb_connection import open_duckdb
from stores.parquet.labels import read_labels
from stores.parquet.log_files import find_files
from stores.parquet.log_source import source_of
from stores.parquet.view_logs import log_columns
from validation.consistency.served import request_columns

if TYPE_CHECKING:
    from feast import FeatureStore

ROW: Final = "millrace_row"  # carries a decision's position through the offline store, which may reorder rows
_DAY = re.compile(r"date=(\d{4}-\d\d-\d\d)")


def values_at_request(store: FeatureStore, service: Service, served: pa.Table) -> pd.DataFrame:
    """Return each decision's features as `get_historical_features` gives them at its event timestamp, in order.

    On-demand features are computed anew, from the request as it was recorded.
    """
    asked = pd.DataFrame({name: served[column].to_pandas() for name, column in request_columns(service).items()})
    asked[ROW] = np.arange(len(asked), dtype="int64")
    found = store.get_historical_features(
        entity_df=asked, features=store.get_feature_service(service.name), full_feature_names=True
    ).to_arrow()
    return found.sort_by(ROW).to_pandas()


def row_times(store: FeatureStore, view: StoredView, served: pa.Table) -> npt.NDArray[np.int64]:
    """Return the time of the row that a view's log has for each decision, UTC microseconds; -1 where it has none.

    Raises:
        FeatureLogError: The view's log cannot be read as files.
    """
    columns = log_columns(store.config, view.view, [], full_feature_names=False)
    given = [column for _, column, _ in view.keys]
    columns = replace(
        columns,
        join_keys=tuple((stored, column) for (stored, _), column in zip(columns.join_keys, given, strict=True)),
        features=((columns.timestamp, "at"),),
    )
    labels = read_labels(served.select([*dict.fromkeys(given), EVENT_TIMESTAMP]), given).keyed_by(given)
    with open_duckdb() as connection:
        times = asof_join(connection, labels, columns)["at"]
    zone = pa.timestamp("us", "UTC")
    micros: Any = times.cast(zone).cast(pa.int64()).fill_null(-1)
    return np.asarray(micros.to_numpy(), np.int64)


def log_end(store: FeatureStore, service: Service) -> tuple[int, str] | None:
    """Return up to when all logs of the service's stream views reach, UTC microseconds, and which reaches least far.

    A row of a plain or batch view holds until the next one, so its log's end says nothing. None where there is no stream view.

    Raises:
        FeatureLogError: A log is missing or cannot be read as files.
    """
    from feast import StreamFeatureView

    ends = [(_end(store, view), view.name) for view in service.stored if isinstance(view.view, StreamFeatureView)]
    return min(ends, default=None)


def _end(store: FeatureStore, view: StoredView) -> int:
    columns = log_columns(store.config, view.view, [], full_feature_names=False)
    days = [found[1] for file in columns.log.files() if (found := _DAY.search(file))]
    newest = (date.fromisoformat(max(days)) - date(1970, 1, 1)).days * 86_400_000_000 if days else None
    files = find_files(columns.log, [columns.timestamp], [columns.timestamp], newest, None)
    with open_duckdb() as connection:
        source = source_of(connection, files)
        ((end,),) = connection.execute(f"SELECT max({source.micros(columns.timestamp)}) FROM {source.sql}").fetchall()
    return int(end or 0)
