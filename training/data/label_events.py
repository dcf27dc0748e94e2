"""Reads label events from their folder, opening only the days that are asked for.

The folder holds Parquet in `date=YYYY-MM-DD` partitions by the event's UTC day; without partitions every file is read.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from stores.parquet.footers import read_footers
from stores.parquet.provenance import describe_files
from training.data.task import TrainingTask
from training.errors import TrainingError
from workspace.addresses import open_address

PARTITION = "date"
MOST_RELEVANT = 31  # XGBoost's gain is 2 to the power of the relevance

_LABELS = {
    "binary": "1 for a positive, 0 for a negative and null while unknown",
    "regression": "a finite number, null while unknown",
    "ranking": f"a relevance, a whole number from 0 to {MOST_RELEVANT}, null while unknown",
}


def read_label_events(
    declared: TrainingTask,
    start: datetime,
    end: datetime,
    columns: Sequence[str] | None = None,
    known_by: datetime | None = None,
) -> pd.DataFrame:
    """Return the label events of `[start, end)` whose label is known, in the order of (time, event id).

    An event id counts once (rule 6), and a null label is not known yet, so its event is left out. The label comes as
    int64 (float64 for a regression), the timestamp as `datetime64[us, UTC]` (a naive one is taken as UTC).

    Args:
        declared: The service's declaration.
        start: First instant, aware.
        end: Last instant, aware, exclusive.
        columns: The columns to read besides the event id, the timestamp and the label; all when None.
        known_by: Labels that became known at this instant or later are left out, where somebody notes when (rule 12).

    Raises:
        TrainingError: The folder does not exist, a column is missing, the span holds no event, or a label is not what the
            service predicts.
    """
    table = _open(declared)
    arrived = [declared.arrived] if declared.arrived else []
    needed = list(dict.fromkeys([declared.event_id, declared.timestamp, declared.label, *arrived, *(columns or ())]))
    missing = [name for name in needed if name not in table.schema.names]
    if missing:
        raise TrainingError(
            f"{declared.service}: label events {declared.source} have no column {', '.join(missing)}; they have "
            f"{', '.join(name for name in table.schema.names if name != PARTITION)}. Name one of these, or add the "
            "column to the events."
        )
    wanted = needed if columns is not None else [name for name in table.schema.names if name != PARTITION]
    read = table.to_table(columns=wanted, filter=_within(table.schema, declared.timestamp, start, end))
    known = pc.is_valid(read[declared.label])
    if declared.arrived and known_by is not None:
        came = read[declared.arrived].cast(pa.timestamp("us", "UTC"))
        known = pc.and_(known, pc.fill_null(pc.less(came, pa.scalar(known_by, came.type)), True))
    events = read.filter(known).to_pandas()
    if events.empty:
        raise TrainingError(
            f"{declared.service}: no label events in [{start:%F}, {end:%F}) of {declared.source}; {_dates(declared)}."
        )
    events[declared.timestamp] = pd.to_datetime(events[declared.timestamp], utc=True).dt.as_unit("us")
    events[declared.label] = checked_labels(declared, events[declared.label])
    once = events.drop_duplicates(declared.event_id)
    return once.sort_values([declared.timestamp, declared.event_id], kind="stable", ignore_index=True)


def describe_label_files(declared: TrainingTask, start: datetime, end: datetime) -> dict[str, Any]:
    """Return the label events' source, the files that hold those of `[start, end)`, and a digest of these.

    Raises:
        TrainingError: The folder does not exist or is empty.
    """
    table = _open(declared)
    files = [part.path for part in table.get_fragments(filter=_within(table.schema, declared.timestamp, start, end))]
    return {"source": declared.source, "files": describe_files(read_footers(table.filesystem, files))}


def label_span(declared: TrainingTask) -> tuple[datetime, datetime]:
    """Return the times of the oldest and the newest label event, aware.

    Raises:
        TrainingError: The folder does not exist or is empty.
    """
    table = _open(declared)
    days = _days(table)
    times: list[datetime] = []
    for day in {days[0], days[-1]} if days else {None}:
        chosen = None if day is None else pc.field(PARTITION) == day
        span = pc.min_max(table.to_table(columns=[declared.timestamp], filter=chosen)[declared.timestamp]).as_py()
        times += [at for at in (span["min"], span["max"]) if at is not None]
    if not times:
        raise TrainingError(
            f"{declared.source}: {declared.path} holds no label events; land some there by day, or run `make simulate`."
        )
    aware = [at if at.tzinfo else at.replace(tzinfo=UTC) for at in times]
    return min(aware), max(aware)


def checked_labels(task: TrainingTask, labels: pd.Series[Any]) -> pd.Series[Any]:
    """Return labels in the type of what is predicted.

    Raises:
        TrainingError: One is not what the service predicts.
    """
    if task.predicts == "regression":
        good = np.isfinite(labels.astype("float64"))
    elif task.predicts == "ranking":
        good = (labels >= 0) & (labels <= MOST_RELEVANT) & (labels % 1 == 0)
    else:
        good = labels.isin([0, 1])
    if not good.all():
        found = sorted(labels[~good].unique().tolist(), key=str)[:5]
        raise TrainingError(
            f"{task.service}: label {task.source}:{task.label} holds {found}; a label is {_LABELS[task.predicts]}."
        )
    return labels.astype("float64" if task.predicts == "regression" else "int64")


def _open(declared: TrainingTask) -> ds.Dataset:
    partitions = ds.partitioning(pa.schema([(PARTITION, pa.string())]), flavor="hive")
    system, folder = open_address(declared.path)
    try:
        table = ds.dataset(folder, format="parquet", partitioning=partitions, filesystem=system)
    except FileNotFoundError as error:
        raise TrainingError(
            f"{declared.source}: {declared.path} does not exist; land label events there by day (`make simulate` lands the"
            " repo's own), or correct the file source's path and run `make apply`."
        ) from error
    if not table.files:
        raise TrainingError(
            f"{declared.source}: {declared.path} holds no label events; land some there by day, or run `make simulate`."
        )
    return table if _days(table) else ds.dataset(folder, format="parquet", filesystem=system)


def _days(table: ds.Dataset) -> list[str]:
    found = {ds.get_partition_keys(part.partition_expression).get(PARTITION) for part in table.get_fragments()}
    return sorted(day for day in found if day is not None)


def _dates(declared: TrainingTask) -> str:
    days = _days(_open(declared))
    if not days:
        first, last = label_span(declared)
        return f"they run from {first:%F} to {last:%F}"
    return f"there are {len(days)} days, {days[0]} to {days[-1]}; choose a span within them"


def _within(schema: pa.Schema, timestamp: str, start: datetime, end: datetime) -> pc.Expression:
    kind = schema.field(timestamp).type
    zone = UTC if kind.tz else None
    first, last = (at.astimezone(UTC).replace(tzinfo=zone) for at in (start, end))
    inside = (pc.field(timestamp) >= pa.scalar(first, kind)) & (pc.field(timestamp) < pa.scalar(last, kind))
    if PARTITION in schema.names:
        inside = inside & (pc.field(PARTITION) >= f"{start.astimezone(UTC):%F}")
        inside = inside & (pc.field(PARTITION) <= f"{end.astimezone(UTC) - timedelta(microseconds=1):%F}")
    return inside
