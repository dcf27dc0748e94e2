"""Loads the events that a run plays: a user's Parquet, or what the repo's own `events.py` makes."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from commands.event_tables import Source
from pipelines.arrange import TIMESTAMP

Events = Mapping[str, pa.Table]
"""Events by table."""

_SHOWN = 3
_EXAMPLE = "DAYS = 60 and def generate(first: date, number: int) -> Mapping[str, pa.Table]"


class EventsError(ValueError):
    """Events that cannot be played; the message says which, and what to do about it."""


@dataclass(frozen=True, slots=True)
class Simulation:
    """The events that a repo makes itself, day by day without end.

    Attributes:
        days: Days of history that a run plays, the live one included.
        first: The first of them.
        day: Makes the events of the day with this number, 0 for the first.
    """

    days: int
    first: date
    day: Callable[[int], Events]

    def history(self) -> dict[str, pa.Table]:
        """Return all days."""
        days = [self.day(number) for number in range(self.days)]
        return {name: pa.concat_tables([day[name] for day in days]) for name in days[0]}

    def after(self) -> Iterator[Events]:
        """Yield the days after those, without end."""
        number = self.days
        while True:
            yield self.day(number)
            number += 1


def open_simulation(repo: Path, sources: Sequence[Source], today: date | None = None) -> Simulation:
    """Open the repo's `events.py`; its history ends today.

    Raises:
        EventsError: There is none, or it does not hold what it must.
    """
    module = load_module(repo)
    if module is None:
        raise EventsError(
            f"{repo / 'events.py'} does not exist, and EVENTS= names no file; give a Parquet file or folder with EVENTS=, or"
            f" write events.py with {_EXAMPLE}."
        )
    days, generate = getattr(module, "DAYS", None), getattr(module, "generate", None)
    if not isinstance(days, int) or days < 1 or not callable(generate):
        raise EventsError(f"{repo / 'events.py'}: holds no DAYS and generate; write {_EXAMPLE}.")
    first = (today or datetime.now(UTC).date()) - timedelta(days=days - 1)

    def day(number: int) -> Events:
        made = generate(first, number)
        missing = [source.name for source in sources if source.name not in made]
        if missing:
            raise EventsError(
                f"{repo / 'events.py'}: generate gives {', '.join(made)}, not {', '.join(missing)}; return a table of each."
            )
        return {one.name: conform(one, made[one.name], f"events.py: {one.name}") for one in sources}

    return Simulation(days, first, day)


def load_module(repo: Path) -> ModuleType | None:
    """Run the repo's `events.py`, with the repo's own modules importable; None where there is none."""
    path = repo / "events.py"
    if not path.is_file():
        return None
    name = f"events_of_{repo.resolve().name}_{abs(hash(str(repo.resolve())))}"
    if str(repo) not in sys.path:
        sys.path.append(str(repo))
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise EventsError(f"{path}: cannot be read as Python; write a plain module.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def load_events(path: Path, repo: Path, sources: Sequence[Source]) -> dict[str, pa.Table]:
    """Read a user's events.

    A folder holds `<table>.parquet` or `<table>/` for each table. A single file feeds every table whose columns it has;
    columns that no table has are left out.

    Raises:
        EventsError: There is no such file, it has no columns of a topic, or events lack a key, time or id.
    """
    prepare = getattr(load_module(repo), "prepare", None)
    found = {}
    single = None if path.is_dir() else _read(path)
    for source in sources:
        given, where = (single, str(path)) if single is not None else _in_folder(path, source)
        if given is None:
            continue
        missing = [name for name in source.columns if name not in given.column_names]
        if missing and single is not None and len(sources) > 1:
            continue
        if missing:
            raise EventsError(
                f"{where}: no column {', '.join(missing)}; {source.name} has {', '.join(source.columns)}."
            )
        table = given.select(list(source.columns)) if source.table.topic else given
        found[source.name] = conform(source, prepare(source.name, table) if prepare else table, where)
    if not found:
        closest = sources[0]
        have = single.column_names if single is not None else []
        missing = [name for name in closest.columns if name not in have]
        raise EventsError(
            f"{path}: feeds no event table; {closest.name} wants column {', '.join(missing)} as well. The tables are "
            f"{', '.join(source.name for source in sources)}; a folder holds <table>.parquet for each."
        )
    return found


def conform(source: Source, events: pa.Table, where: str) -> pa.Table:
    """Return events in the types of their topic, by (time, id), with a time in UTC microseconds.

    Raises:
        EventsError: There are none, a column is missing or does not fit its type, or a key, time or id is null or comes
            twice.
    """
    table = source.table
    missing = [name for name in source.columns if name not in events.column_names]
    if missing:
        raise EventsError(f"{where}: no column {', '.join(missing)}; have {', '.join(events.column_names)}.")
    if not len(events):
        raise EventsError(f"{where}: no rows; give at least one event.")
    kinds = {field.name: field.type for field in table.schema()} | {table.timestamp: TIMESTAMP}
    names = source.columns if table.topic else events.column_names
    columns = {name: _cast(where, name, events[name], kinds.get(name)) for name in names}
    for name in source.required:
        nulls = columns[name].null_count
        if nulls:
            rows = pc.indices_nonzero(pc.is_null(columns[name])).slice(0, _SHOWN).to_pylist()
            raise EventsError(
                f"{where}: {nulls:,} events have no {name} (first rows: {', '.join(map(str, rows))}); fill in or drop them."
            )
    ids = columns[table.event_id]
    if pc.count_distinct(ids).as_py() < len(ids):
        counted = pc.value_counts(ids)
        repeated = counted.field("values").filter(pc.greater(counted.field("counts"), 1))
        shown = ", ".join(map(str, repeated.slice(0, _SHOWN).to_pylist()))
        raise EventsError(
            f"{where}: {len(repeated):,} {table.event_id} values occur more than once (first: {shown}); keep one row of each."
        )
    ordered = pa.table(columns)
    by = [(table.timestamp, "ascending"), (table.event_id, "ascending")]
    return ordered.sort_by(by).combine_chunks()


def event_times(events: pa.Table, source: Source) -> np.ndarray:
    """Return the event times, int64 microseconds since the epoch."""
    return pc.cast(events[source.table.timestamp], pa.int64()).to_numpy()


def _in_folder(folder: Path, source: Source) -> tuple[pa.Table | None, str]:
    for path in (folder / f"{source.name}.parquet", folder / source.name):
        if path.exists():
            return _read(path), str(path)
    return None, str(folder)


def _read(path: Path) -> pa.Table:
    if not path.exists():
        raise EventsError(
            f"{path}: no such file; give the path of a Parquet file, or of a folder with one for each table."
        )
    try:
        return pq.read_table(path)
    except (pa.ArrowInvalid, OSError) as problem:
        raise EventsError(
            f"{path}: not a Parquet file ({problem}). Convert it first, such as pandas.read_csv(...).to_parquet(...)."
        ) from problem


def _cast(where: str, name: str, column: pa.ChunkedArray, kind: pa.DataType | None) -> pa.ChunkedArray:
    if kind is None or column.type == kind:
        return column
    options: Any = pc.CastOptions(target_type=kind, allow_time_truncate=pa.types.is_timestamp(kind))
    try:
        if pa.types.is_timestamp(kind) and not pa.types.is_timestamp(column.type):
            raise pa.ArrowInvalid("a time is wanted")  # a number could be seconds or microseconds
        return pc.cast(column, options=options)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as problem:
        raise EventsError(
            f"{where}: column {name} is {column.type} and does not fit {kind} ({problem}); convert it to {kind}."
        ) from problem
