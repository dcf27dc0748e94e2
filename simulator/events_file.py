"""The door for a user's own transactions: reads a Parquet file, checks it, and says what to do when it does not fit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from simulator.generator import SCHEMA

_SHOWN = 5
_OPTIONAL = "fraud_scenario"
_NEEDED = ", ".join(f"{field.name} ({field.type})" for field in SCHEMA if field.name != _OPTIONAL)

_ACCEPTED: dict[str, tuple[Callable[[pa.DataType], bool], str]] = {
    "transaction_id": (pa.types.is_integer, "an integer"),
    "event_timestamp": (pa.types.is_timestamp, "a timestamp"),
    "customer_id": (pa.types.is_integer, "an integer"),
    "terminal_id": (pa.types.is_integer, "an integer"),
    "amount": (lambda given: pa.types.is_floating(given) or pa.types.is_integer(given), "a float"),
    "is_fraud": (lambda given: pa.types.is_integer(given) or pa.types.is_boolean(given), "an integer, 0 or 1"),
    _OPTIONAL: (pa.types.is_integer, "an integer"),
}


class EventsFileError(ValueError):
    """Says what is wrong with a file of transactions, and what to do about it."""


def read_events(path: Path) -> pa.Table:
    """Read a Parquet file of transactions.

    Integers of any width and timestamps of any unit are taken; a timestamp without a zone is taken as UTC, and one
    finer than a microsecond is cut to it. Amounts are rounded to cents. Columns the schema does not have are left out.

    Returns:
        A table of `simulator.generator.SCHEMA`, sorted by (event_timestamp, transaction_id); without
        ``fraud_scenario`` when the file has none.

    Raises:
        EventsFileError: The file is missing, is not Parquet or is empty; a column is missing or has the wrong type; a
            value is null, not finite, or no label; a transaction_id occurs twice.
    """
    source = _open(path)
    missing = [
        field.name for field in SCHEMA if field.name not in source.schema_arrow.names and field.name != _OPTIONAL
    ]
    if missing:
        raise EventsFileError(
            f"{path}: missing {', '.join(missing)}; it has {', '.join(source.schema_arrow.names)}. Rename or add "
            f"columns so that the file has {_NEEDED}."
        )
    schema = pa.schema([field for field in SCHEMA if field.name in source.schema_arrow.names])
    _check_types(path, source.schema_arrow, schema)
    table = source.read(columns=schema.names).select(schema.names)
    if table.num_rows == 0:
        raise EventsFileError(f"{path}: the file has no rows; give a file with at least one transaction.")
    _check_nulls(path, table)
    table = _convert(path, table, schema)
    _check_values(path, table)
    _check_unique(path, table)
    return table.sort_by([("event_timestamp", "ascending"), ("transaction_id", "ascending")]).combine_chunks()


def _open(path: Path) -> pq.ParquetFile:
    if not path.is_file():
        raise EventsFileError(f"{path}: no such file; give the path of one Parquet file of transactions.")
    try:
        return pq.ParquetFile(path)
    except (pa.ArrowInvalid, OSError) as problem:
        raise EventsFileError(
            f"{path}: not a Parquet file ({problem}). Convert it first, for example with "
            f"pandas.read_csv(...).to_parquet(...)."
        ) from problem


def _check_types(path: Path, given: pa.Schema, wanted: pa.Schema) -> None:
    for field in wanted:
        fits, words = _ACCEPTED[field.name]
        found = given.field(field.name).type
        if not fits(found):
            raise EventsFileError(
                f"{path}: column {field.name} has the type {found}, but must be {words}; convert it to {field.type}."
            )


def _check_nulls(path: Path, table: pa.Table) -> None:
    for name in table.column_names:
        _refuse(path, name, pc.is_null(table[name]), "null", "fill in or drop these rows")


def _convert(path: Path, table: pa.Table, schema: pa.Schema) -> pa.Table:
    columns = []
    for field in schema:
        # Only a timestamp may lose what it has below a microsecond; an id that does not fit must not wrap around.
        truncated = pa.types.is_timestamp(field.type)
        options = pc.CastOptions(target_type=field.type, allow_time_truncate=truncated)
        try:
            column = pc.cast(table[field.name], options=options)
        except pa.ArrowInvalid as problem:
            raise EventsFileError(
                f"{path}: column {field.name} has a value that does not fit {field.type} ({problem}); "
                "correct or drop it."
            ) from problem
        columns.append(pc.round(column, 2) if field.name == "amount" else column)
    return pa.table(columns, schema=schema)


def _check_values(path: Path, table: pa.Table) -> None:
    finite = pc.is_finite(table["amount"])
    _refuse(path, "amount", pc.invert(finite), "not a finite number", "correct or drop these rows")
    known = pc.is_in(table["is_fraud"], value_set=pa.array([0, 1], pa.int8()))
    _refuse(path, "is_fraud", pc.invert(known), "neither 0 nor 1", "write 1 for a fraud and 0 for any other")


def _check_unique(path: Path, table: pa.Table) -> None:
    counted = pc.value_counts(table["transaction_id"])
    repeated = counted.field("values").filter(pc.greater(counted.field("counts"), 1))
    if len(repeated):
        ids = ", ".join(str(one) for one in repeated.slice(0, _SHOWN).to_pylist())
        raise EventsFileError(
            f"{path}: {len(repeated):,} transaction_id values occur more than once (first: {ids}); "
            "keep one row of each, or give every transaction its own id."
        )


def _refuse(path: Path, column: str, wrong: pa.ChunkedArray, state: str, remedy: str) -> None:
    """Raise when a mask is true anywhere; name how many rows and the first of them, counted from 0."""
    rows = pc.indices_nonzero(wrong)
    if len(rows):
        first = ", ".join(str(row) for row in rows.slice(0, _SHOWN).to_pylist())
        noun = "value is" if len(rows) == 1 else "values are"
        raise EventsFileError(f"{path}: {len(rows):,} {column} {noun} {state} (first rows: {first}); {remedy}.")
