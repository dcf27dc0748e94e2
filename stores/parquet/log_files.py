"""Says which files of a feature log are read for some labels or between two times, and what they say of themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import pyarrow as pa

from stores.parquet.feature_log import FeatureLog, FeatureLogError
from stores.parquet.footers import Footer, read_footers, schema_of

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class LogFiles:
    """The files that can hold rows between two times.

    Attributes:
        log: The feature log.
        footers: The files; at least one, to know the columns from.
        oldest: Microseconds UTC, included; None leaves the end open. The files have older rows of that day as well.
        newest: The other end, likewise.
    """

    log: FeatureLog
    footers: tuple[Footer, ...]
    oldest: int | None
    newest: int | None

    @property
    def schema(self) -> pa.Schema:
        """Their columns."""
        return schema_of(self.footers)

    @property
    def rows(self) -> int:
        """How many rows they have."""
        return sum(footer.rows for footer in self.footers)


def find_files(
    log: FeatureLog, needed: Sequence[str], times: Sequence[str], oldest: int | None, newest: int | None
) -> LogFiles:
    """Return the files of a log with rows between two times, by partition.

    Args:
        log: The feature log.
        needed: Columns it must have.
        times: Those of them that must be timestamps.
        oldest: Microseconds UTC; None leaves the end open.
        newest: The other end, likewise.

    Raises:
        FeatureLogMissingError: There is no log yet.
        FeatureLogError: The files lack a needed column, or a time is not a timestamp.
    """
    found = LogFiles(log, tuple(read_footers(log.system, log.files(_day(oldest), _day(newest)))), oldest, newest)
    types = {field.name: field.type for field in found.schema}
    absent = [name for name in needed if name not in types]
    if absent:
        raise FeatureLogError(
            f"{log.name}: the feature log at {log.path} has no column {', '.join(absent)}; have {', '.join(types)}. "
            "Run 'make backfill' after changing a view."
        )
    for name in times:
        if not pa.types.is_timestamp(types[name]):
            raise FeatureLogError(f"{log.name}: {name} is {types[name]}; write it as a timestamp in UTC.")
    return found


def micros_of(when: datetime) -> int:
    """Return a time as microseconds since the epoch, UTC; without a zone it is taken as UTC."""
    return ((when if when.tzinfo else when.replace(tzinfo=UTC)) - _EPOCH) // timedelta(microseconds=1)


def _day(micros: int | None) -> date | None:
    return None if micros is None else (_EPOCH + timedelta(microseconds=micros)).date()
