"""Reads a sample of what was served from the record of decisions, a day at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from contract.records import decisions_folder, recorded_days
from contract.service import EVENT_TIMESTAMP, Service
from stores.parquet.log_source import quote
from stores.parquet.record_rows import query_record, record_columns

DAY: Final = timedelta(days=1)
OF_A_VIEW: Final = ("age_us", "missing", "complete_at")
"""What the record says of a view's row: its age, why there is none, and up to when the stream had brought the view."""


class ConsistencyError(ValueError):
    """What was served cannot be held against the feature logs; the message says what to do."""


@dataclass(frozen=True, slots=True)
class ServedDay:
    """A sample of one day's decisions.

    Attributes:
        day: When they were made.
        rows: Event timestamp, decision id, keys, request fields, features, and `OF_A_VIEW` of each stored view.
        later: How many of the sample are of later than may be compared, and are not in `rows`.
    """

    day: date
    rows: pa.Table
    later: int


def request_columns(service: Service) -> dict[str, str]:
    """Return the columns of `get_historical_features`' entity frame: keys and request fields, by what fills each in the record."""
    keys = {name: name for name, _ in service.keys}
    request = {
        one.name: EVENT_TIMESTAMP if one.name == EVENT_TIMESTAMP else one.filled_by or one.name
        for one in service.request
    }
    return keys | request | {EVENT_TIMESTAMP: EVENT_TIMESTAMP}


def read_served(
    data: Path, service: Service, since: date | None, until: date | None, sample: int, seed: int, end_us: int | None
) -> Iterator[ServedDay]:
    """Yield days with decisions; in all about `sample` of them, chosen by a hash of their ids, so equal for an equal seed.

    Args:
        data: The data folder.
        service: Whose decisions.
        since: The first day on which they were made, UTC; None for all.
        until: The first day no more; None for all.
        sample: How many decisions to take, about.
        seed: Which ones.
        end_us: Decisions of an event timestamp after this are counted only, UTC microseconds; None for no end.

    Raises:
        ConsistencyError: There are no decisions, or the record lacks a column.
    """
    record = decisions_folder(data, service.name)
    known = record_columns(record, since, until)
    counted = query_record(record, "SELECT count(*) AS n FROM record", None, since, until)
    size = counted["n"][0].as_py() if counted is not None else 0
    if not size:
        raise ConsistencyError(_nothing(service.name, record, since, until))
    wanted = ["decision_id", *dict.fromkeys(request_columns(service).values()), *(name for name, _ in service.features)]
    absent = [name for name in wanted if name not in known]
    if absent:
        raise ConsistencyError(
            f"{service.name}: decisions were recorded without {', '.join(absent)}, so before the service had it; choose later"
            " days with FROM=."
        )
    optional = [f"{kind}__{view.alias}" for view in service.stored for kind in OF_A_VIEW]
    chosen = [quote(name) for name in wanted] + [
        quote(name) if name in known else f"NULL AS {quote(name)}" for name in optional
    ]
    for day in recorded_days(record, since, until):
        found = query_record(
            record,
            f"SELECT {', '.join(chosen)}, epoch_us({EVENT_TIMESTAMP}) > $end AS __later FROM record"
            " WHERE hash(decision_id, $seed) < $bound",
            {"seed": seed, "bound": _bound(sample, size), "end": 2**62 if end_us is None else end_us},
            day,
            day + DAY,
        )
        if found is not None and found.num_rows:
            later = found["__later"]
            rows = found.filter(pc.invert(later)).drop_columns(["__later"])
            yield ServedDay(day, rows, found.num_rows - rows.num_rows)


def _bound(sample: int, size: int) -> Any:
    return min(2**64 - 1, 2**64 * sample // size)


def _nothing(service: str, record: Path, since: date | None, until: date | None) -> str:
    days = recorded_days(record)
    if not days:
        return f"{service}: no decision is recorded in {record}; serve some requests first (`make serve`)."
    return (
        f"{service}: no decision was made from {since or days[0]} to {until or 'now'}; there are decisions of {days[0]} to"
        f" {days[-1]}, choose of these with FROM= and TO=."
    )
