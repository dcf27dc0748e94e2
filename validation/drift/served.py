"""Counts a day of what was served into the bins of what was trained on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Final

import numpy as np

from contract.records import decisions_folder, outcomes_folder, recorded_days
from contract.reference import LABEL, SCORE, ColumnReference, Counts
from stores.parquet.log_source import quote
from stores.parquet.record_rows import query_record, record_columns

DAY: Final = timedelta(days=1)
TOGETHER: Final = 8
"""How many columns of a day are in memory at once."""


class DriftError(ValueError):
    """There is nothing that drift could be measured of; the message says what to do."""


@dataclass(frozen=True, slots=True)
class ServedDay:
    """A day of decisions.

    Attributes:
        day: When they were made, UTC.
        decisions: How many.
        counts: By column, in the reference's bins; columns of which nothing was recorded are left out.
    """

    day: date
    decisions: int
    counts: Mapping[str, Counts]


def newest_whole_day(data: Path, service: str, today: date) -> date:
    """Return the newest day with decisions that is over.

    Raises:
        DriftError: There is none.
    """
    days = recorded_days(decisions_folder(data, service), until=today)
    if not days:
        raise DriftError(
            f"{service}: no decision of a day that is over is recorded; wait for the next day (UTC), or name one with DAY=."
        )
    return days[-1]


def count_served(
    data: Path, service: str, day: date, reference: Mapping[str, ColumnReference], version: str
) -> ServedDay:
    """Count the decisions of a day.

    Features are of all decisions, scores of those of the version only, labels are the outcomes told of the day's decisions so far.

    Raises:
        DriftError: There are no decisions of that day.
    """
    record = decisions_folder(data, service)
    known = record_columns(record, day, day + DAY)
    sized = query_record(record, "SELECT count(*) AS n FROM record", None, day, day + DAY)
    size = sized["n"][0].as_py() if sized is not None else 0
    if not size:
        days = recorded_days(record)
        there = (
            f"there are decisions of {days[0]} to {days[-1]}" if days else "serve some requests first (`make serve`)"
        )
        raise DriftError(f"{service}: no decision is recorded of {day}; {there}.")
    features = [name for name in reference if name in known and name not in (SCORE, LABEL)]
    counts: dict[str, Counts] = {}
    for start in range(0, len(features), TOGETHER):
        names = features[start : start + TOGETHER]
        selected = ", ".join(f"{quote(name)}::DOUBLE AS {quote(name)}" for name in names)
        counts |= _counted(reference, record, f"SELECT {selected} FROM record", {}, day)
    scored = "SELECT score FROM record WHERE model_version = $version"
    counts |= _counted(reference, record, scored, {"version": version}, day)
    ids = query_record(record, "SELECT decision_id FROM record", None, day, day + DAY)
    told = ids and query_record(
        outcomes_folder(data, service),
        "SELECT arg_max(outcome, (event_timestamp, received_at)) AS label FROM record SEMI JOIN decided USING (decision_id)"
        " GROUP BY decision_id",
        also={"decided": ids},
    )
    if told and LABEL in reference:
        counts[LABEL] = reference[LABEL].count(told[LABEL].to_numpy())
    return ServedDay(day, size, {name: found for name, found in counts.items() if found.sum()})


def _counted(
    reference: Mapping[str, ColumnReference], record: Path, sql: str, parameters: dict[str, str], day: date
) -> dict[str, Counts]:
    found = query_record(record, sql, parameters, day, day + DAY)
    if found is None:
        return {}
    return {
        name: reference[name].count(np.asarray(found[name].fill_null(float("nan")).to_numpy(), np.float64))
        for name in found.column_names
        if name in reference
    }
