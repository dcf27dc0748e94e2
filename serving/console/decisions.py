"""The newest decisions of the decision log, read from its newest files."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from heapq import nlargest
from pathlib import Path
from typing import Any, Final

import pyarrow.compute as pc
import pyarrow.parquet as pq

from contract.records import RecordedFile, recorded_files
from serving.scoring.scorer import iso_timestamp

FIXED: Final = ("decision_id", "decided_at", "event_timestamp", "model_version", "arm", "score", "decision", "reasons")
ALSO_FIXED: Final = ("degraded", "latency_us")
MISSING, AGE, SHADOW = SHOWN = "missing__", "age_us__", "shadow__"
TRIES: Final = 3
"""How often a list of files is looked at again, where one was merged away meanwhile."""
DAYS: Final = 2
"""How many days with decisions are looked into."""


def newest_decisions(folder: Path, limit: int, decision: str | None = None) -> list[dict[str, Any]]:
    """Return the newest decisions of a service, the newest first, as JSON can hold them.

    Args:
        folder: The record of the service's decisions.
        limit: Most of them.
        decision: Only those of this name; None for all. Only the newest files are searched.
    """
    for _ in range(TRIES):
        with suppress(FileNotFoundError):  # merged with others since it was found
            return _newest(folder, limit, decision)
    return _newest(folder, limit, decision)


def _newest(folder: Path, limit: int, decision: str | None) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for written, path in _newest_files(folder, limit):
        if len(rows) >= limit and rows[limit - 1]["decided_at"] > written:
            break  # whatever is in there was decided before
        rows += _last_rows(path, limit, decision)
        rows.sort(key=lambda row: row["decided_at"], reverse=True)
    return rows[:limit]


def _newest_files(folder: Path, limit: int) -> Iterator[tuple[str, Path]]:
    """Give files and when they were written, the newest first: of each replica and day the last ones, for a day may have many."""
    days = sorted((one.name for one in folder.glob("[0-9]*-*-*")), reverse=True)[:DAYS]
    for day in map(date.fromisoformat, days):
        by_replica: dict[str, list[tuple[int, Path]]] = {}
        for path in recorded_files(folder, day, day + timedelta(days=1)):
            file = RecordedFile.parse(path.name)
            if file:
                by_replica.setdefault(file.writer, []).append((file.last, path))
        newest = [path for files in by_replica.values() for _, path in nlargest(limit, files)]
        written = {path: iso_timestamp(path.stat().st_mtime_ns // 1000) for path in newest}
        yield from sorted(((at, path) for path, at in written.items()), reverse=True)


@lru_cache(maxsize=512)
def _last_rows(path: Path, limit: int, decision: str | None) -> list[dict[str, Any]]:
    """Return a file's last decisions; files never change once they are there."""
    found: list[dict[str, Any]] = []
    with pq.ParquetFile(path) as file:
        wanted = [name for name in file.schema_arrow.names if "__" not in name or name.startswith(SHOWN)]
        for group in reversed(range(file.num_row_groups)):
            table = file.read_row_group(group, wanted)
            if decision is not None:
                table = table.filter(pc.equal(table["decision"], decision))
            found = [_row(one) for one in table.slice(max(0, len(table) - limit)).to_pylist()] + found
            if len(found) >= limit:
                break
    return found


def _row(row: dict[str, Any]) -> dict[str, Any]:
    return {
        **{name: _plain(row.get(name)) for name in FIXED},
        "degraded": bool(row.get("degraded")),
        "latency_ms": None if row.get("latency_us") is None else row["latency_us"] / 1000,
        "request": {
            name: _plain(value) for name, value in row.items() if "__" not in name and name not in FIXED + ALSO_FIXED
        },
        "missing": _part(row, MISSING),
        "age_seconds": {name: us / 1e6 for name, us in _part(row, AGE).items()},
        "shadow": _part(row, SHADOW),
    }


def _part(row: dict[str, Any], prefix: str) -> dict[str, Any]:
    return {
        name.removeprefix(prefix): _plain(value)
        for name, value in row.items()
        if name.startswith(prefix) and value is not None
    }


def _plain(value: Any) -> Any:
    """Return a value as JSON can hold it; a NaN is none."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return value.hex() if isinstance(value, bytes) else value
