"""Runs SQL that is given as entity_df, in DuckDB's dialect, whichever engine joins features to its rows.

Its tables are the repo's file sources by name, wherever their files lie, and local Parquet files in quotes:

    SELECT user_id, event_timestamp, price FROM orders_lake WHERE price > 100
"""

from __future__ import annotations

import duckdb
import pyarrow as pa
from feast import FileSource, RepoConfig
from feast.infra.registry.base_registry import BaseRegistry

from stores.parquet.duckdb_connection import open_duckdb
from stores.parquet.labels import LabelsError
from stores.parquet.log_files import find_files
from stores.parquet.log_source import source_of
from stores.parquet.view_logs import log_of


def run_query(config: RepoConfig, registry: BaseRegistry, project: str, sql: str) -> pa.Table:
    """Return the rows of a query, in its order.

    Raises:
        LabelsError: The query cannot be run.
    """
    sources = {one.name: one for one in registry.list_data_sources(project) if isinstance(one, FileSource)}
    with open_duckdb() as connection:
        connection.execute("SET preserve_insertion_order = true")
        try:
            for name in connection.get_table_names(sql):
                if name in sources:
                    found = find_files(log_of(config, sources[name], name), (), (), None, None)
                    rows = source_of(connection, found).sql
                    connection.sql(f"SELECT * FROM {rows}").create_view(name)
            return connection.sql(sql).to_arrow_table()
        except duckdb.Error as problem:
            why = str(problem).strip().splitlines()[0]
            raise LabelsError(
                f"entity_df: the query fails ({why}); its tables are the file sources {', '.join(sorted(sources))}, and local"
                " Parquet files as in FROM 'labels/*.parquet'. Or run it elsewhere, and pass a pandas DataFrame."
            ) from problem
