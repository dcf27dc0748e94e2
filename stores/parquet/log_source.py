"""Makes a feature log readable by DuckDB: which files, which columns, and event times as whole microseconds."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

import duckdb
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
from pyarrow import fs

from stores.parquet.feature_log import FeatureLog, FeatureLogError

AT_ONCE: Final = 16
"""Files whose footers are read at the same time: far away ones take their time."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class LogSource:
    """The files of a log as SQL.

    Attributes:
        sql: Goes behind FROM.
        types: DuckDB's types by column.
    """

    sql: str
    types: dict[str, str]

    def micros(self, column: str, table: str = "") -> str:
        """Return SQL for a time column as BIGINT microseconds UTC; without a zone it is taken as UTC.

        Nanoseconds are cut. DuckDB's own cast rounds them, and a row would hold up to half a microsecond early.
        """
        name = f"{table}.{quote(column)}" if table else quote(column)
        if self.types[column].endswith("_NS"):
            return f"((epoch_ns({name}) - (epoch_ns({name}) % 1000 + 1000) % 1000) // 1000)"
        return f"epoch_us({name})"


@contextmanager
def open_duckdb(threads: int | None = None, memory_limit: str | None = None) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open an in-memory DuckDB in UTC that spills to a temporary folder.

    Args:
        threads: None takes all cores.
        memory_limit: Such as `4GB`; None takes DuckDB's 80 % of the machine.
    """
    with tempfile.TemporaryDirectory(prefix="millrace-duckdb-") as spill:
        options: dict[str, str | bool | int | float | list[str]] = {
            "autoinstall_known_extensions": "false",  # nothing is fetched while something else is asked for
            "temp_directory": spill,
            "preserve_insertion_order": "false",
        }
        if threads:
            options["threads"] = threads
        if memory_limit:
            options["memory_limit"] = memory_limit
        with duckdb.connect(":memory:", config=options) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            yield connection


def read_log(
    connection: duckdb.DuckDBPyConnection,
    log: FeatureLog,
    needed: Sequence[str],
    times: Sequence[str],
    oldest_us: int | None,
    newest_us: int | None,
) -> LogSource:
    """Return the source of a log's rows between two times.

    Args:
        connection: From `open_duckdb`.
        log: The feature log.
        needed: Columns it must have.
        times: Those of them that must be timestamps.
        oldest_us: Microseconds UTC, by partition, so older rows of that day are there too; None leaves the end open.
        newest_us: The other end, likewise.

    Raises:
        FeatureLogMissingError: There is no log yet.
        FeatureLogError: The files lack a needed column, or a time is not a timestamp.
    """
    files = log.files(_day(oldest_us), _day(newest_us))
    if log.is_local:
        names = ", ".join(_literal(file) for file in files)
        sql = f"read_parquet([{names}], union_by_name = true, hive_partitioning = false)"
    else:
        sql = f"files_of_{uuid.uuid4().hex}"
        connection.register(sql, _far_away(log.system, files))
    types = {row[0]: str(row[1]) for row in connection.execute(f"DESCRIBE SELECT * FROM {sql}").fetchall()}
    absent = [name for name in needed if name not in types]
    if absent:
        raise FeatureLogError(
            f"{log.name}: the feature log at {log.path} has no column {', '.join(absent)}; have {', '.join(types)}. "
            "Run 'make backfill' after changing a view."
        )
    for name in times:
        if not types[name].startswith("TIMESTAMP"):
            raise FeatureLogError(f"{log.name}: {name} is {types[name]}; write it as a timestamp in UTC.")
    return LogSource(sql, types)


def micros_of(when: datetime) -> int:
    """Return a time as microseconds since the epoch, UTC; without a zone it is taken as UTC."""
    return ((when if when.tzinfo else when.replace(tzinfo=UTC)) - _EPOCH) // timedelta(microseconds=1)


def quote(name: str) -> str:
    """Quote a column name for SQL."""
    return '"' + name.replace('"', '""') + '"'


def _far_away(system: fs.FileSystem, files: Sequence[str]) -> ds.Dataset:
    """Return files of a file system that DuckDB does not know, for it to read columns of; what one lacks is null there."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        schemas = list(pool.map(lambda file: pq.read_schema(file, filesystem=system), files))
    schema = pa.unify_schemas(schemas, promote_options="permissive")
    return ds.dataset(files, schema=schema, format="parquet", filesystem=system)


def _literal(path: str) -> str:
    return "'" + path.replace("'", "''") + "'"


def _day(micros: int | None) -> date | None:
    return None if micros is None else (_EPOCH + timedelta(microseconds=micros)).date()
