"""Says which days of the event lake there are, and which microseconds a day is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from pipelines.plan import EventTable
from workspace.addresses import inside, list_files, list_folders, open_address

if TYPE_CHECKING:
    import pyarrow as pa

DAY = 86_400_000_000  # microseconds
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class DayError(ValueError):
    """A text that is not a day."""


class LakeError(ValueError):
    """The lake holds no events to work on."""


def days_of(folder: str) -> list[str]:
    """Return the `date=` partitions of a folder, in order; none where it is not there.

    Raises:
        AddressError: It cannot be read.
    """
    return sorted(name.partition("=")[2] for name in list_folders(folder) if name.startswith("date="))


def newest_event(table: EventTable, day: str) -> int:
    """Return the time of the newest event of a day, microseconds; -1 where the day has none."""
    import pyarrow.compute as pc

    events = read_day(table.lake, day, [table.timestamp])
    newest = None if events is None else pc.max(events[table.timestamp]).as_py()
    return -1 if newest is None else (newest - EPOCH) // timedelta(microseconds=1)


def read_day(lake: str, day: str, columns: list[str] | None = None) -> pa.Table | None:
    """Return the events of a day, all their columns or some; None where the day has no files."""
    import pyarrow.dataset as ds

    folder = inside(lake, f"date={day}")
    system = open_address(folder)[0]
    files = [one.path for one in list_files(folder) if one.extension == "parquet" and one.base_name[0] not in "._"]
    return ds.dataset(files, filesystem=system).to_table(columns=columns) if files else None


def day_of(t: int) -> str:
    """Return the UTC day of a time in microseconds, as `YYYY-MM-DD`."""
    return (EPOCH + timedelta(microseconds=t)).strftime("%Y-%m-%d")


def micros(day: str) -> int:
    """Return a day, or an ISO 8601 instant taken as UTC, in microseconds since the epoch.

    Raises:
        DayError: The text is neither.
    """
    try:
        at = datetime.fromisoformat(day)
    except ValueError:
        raise DayError(f"{day!r} is not a day; write such as 2026-01-31.") from None
    return ((at if at.tzinfo else at.replace(tzinfo=UTC)) - EPOCH) // timedelta(microseconds=1)


def instant(t: int) -> datetime:
    """Return a time in microseconds as a datetime, UTC."""
    return EPOCH + timedelta(microseconds=t)
