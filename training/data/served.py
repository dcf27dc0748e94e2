"""Builds a training set from what was served: recorded decisions with the features as they were, joined with what came of them.

What was served is what was known. A decision's label is the outcome that was told of it, else that of its label event: the one with
the event's id where requests carry it, else the one of the same keys at the same microsecond.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
from pyarrow import fs

from contract.records import decisions_folder, outcomes_folder, recorded_files
from contract.service import EVENT_TIMESTAMP
from stores.parquet.footers import read_footers
from stores.parquet.log_source import quote
from stores.parquet.provenance import describe_files
from stores.parquet.record_rows import query_record, record_columns
from training.data.dataset import TrainingSet, as_numbers, spread
from training.data.label_events import checked_labels, label_span, read_label_events
from training.data.task import TrainingTask
from training.errors import TrainingError

DECISION: Final = "decision_id"
_OUTCOMES: Final = (
    "SELECT decision_id, arg_max(outcome, (event_timestamp, received_at)) AS outcome FROM record"
    " WHERE $known_by IS NULL OR event_timestamp < $known_by::TIMESTAMPTZ GROUP BY decision_id"
)
"""Of each decision's outcomes known by an instant the latest, of equal times the last received: as experiments count them."""


def build_served_set(
    data: Path,
    task: TrainingTask,
    start: datetime,
    end: datetime,
    limit: int | None = None,
    known_by: datetime | None = None,
) -> TrainingSet:
    """Join the decisions on requests of `[start, end)` with their outcomes and label events; those without either are left out.

    An event counts once, by its first decision (rule 6).

    Args:
        data: The data folder, with the records.
        task: What to train on.
        start: First instant of the requests' event timestamps, aware.
        end: Last instant, aware, exclusive.
        limit: At most this many rows, spread evenly over the span; all when None.
        known_by: Labels that became known at this instant or later are left out, where somebody notes when (rule 12).

    Raises:
        TrainingError: There are no decisions in the span, none has a label, or a feature was not served then.
    """
    decisions = _decisions(data, task, start, end)
    outcomes = _outcomes(data, task, known_by)
    events, why = _label_events(task, start, end, known_by)
    keyed_by = [task.event_id] if task.event_id in decisions else [*task.keys, task.timestamp]
    rows = decisions.merge(outcomes, on=DECISION, how="left")
    if events is not None:
        events = events.drop_duplicates(keyed_by, keep=False)  # which of two it was, nobody can tell
        extra = [name for name in events if name in keyed_by or name not in rows]
        rows = rows.merge(events[extra], on=keyed_by, how="left")
        told = rows["outcome"].notna()
        rows[task.label] = rows["outcome"].where(told, rows[task.label])
    else:
        told = rows["outcome"].notna()
        rows[task.label] = rows["outcome"]
    rows = rows[rows[task.label].notna()]
    if rows.empty:
        raise TrainingError(
            f"{task.service}: none of {len(decisions):,} decisions of [{start:%F}, {end:%F}) has a label: no outcome was told of"
            f" them (POST /v1/outcomes), and {why or f'no event of {task.source} is of their keys and times'}."
        )
    event_id = task.event_id if task.event_id in rows and rows[task.event_id].notna().all() else DECISION
    rows = rows.sort_values("decided_at", kind="stable").drop_duplicates(event_id)
    rows = spread(rows.sort_values([task.timestamp, event_id], kind="stable", ignore_index=True), limit)
    rows[task.label] = checked_labels(task, rows[task.label])
    for name in task.features:
        rows[name] = as_numbers(task.service, name, rows[name])
    _require_columns(task, rows)
    return TrainingSet(
        service=task.service,
        frame=rows.drop(columns=["outcome", "decided_at", "degraded"]),
        label=task.label,
        features=task.features,
        event_id=event_id,
        timestamp=task.timestamp,
        keys=task.keys,
        group=task.group,
        predicts=task.predicts,
        provenance=_provenance(data, task, start, rows),
    )


def served_span(data: Path, task: TrainingTask) -> tuple[datetime, datetime]:
    """Return the times of the oldest and the newest decision that may have a label, aware.

    Raises:
        TrainingError: There are none.
    """
    record = decisions_folder(data, task.service)
    sql = f"SELECT min({EVENT_TIMESTAMP}) AS first, max({EVENT_TIMESTAMP}) AS last FROM record"
    decided = query_record(record, sql)
    if decided is None:
        raise TrainingError(_nothing_served(data, task))
    spans: list[dict[str, Any]] = []
    told = query_record(outcomes_folder(data, task.service), "SELECT DISTINCT decision_id FROM record")
    if told is not None:
        matched = query_record(record, f"{sql} SEMI JOIN told USING (decision_id)", also={"told": told})
        spans += matched.to_pylist() if matched is not None else []
    try:
        first, last = label_span(task)
        (of,) = decided.to_pylist()
        spans.append({"first": max(first, of["first"]), "last": min(last, of["last"])})
    except TrainingError:  # outcomes may be all there is
        pass
    spans = [one for one in spans if one["last"] is not None and one["first"] <= one["last"]]
    if not spans:
        raise TrainingError(
            f"{task.service}: no decision has an outcome or a label event yet; tell some with POST /v1/outcomes."
        )
    return min(one["first"] for one in spans).astimezone(UTC), max(one["last"] for one in spans).astimezone(UTC)


def _decisions(data: Path, task: TrainingTask, start: datetime, end: datetime) -> pd.DataFrame:
    record, since = decisions_folder(data, task.service), (start - timedelta(days=1)).date()
    known = record_columns(record, since)
    fields = dict.fromkeys([*task.keys, *(column for _, column in task.request), task.event_id, task.group or ""])
    wanted = [name for name in fields if name in known and name != task.timestamp]
    columns = [DECISION, "decided_at", "degraded", *wanted, *(name for name in task.features if name in known)]
    found = known and query_record(
        record,
        f"SELECT {', '.join(map(quote, columns))}, {EVENT_TIMESTAMP} AS {quote(task.timestamp)} FROM record"
        f" WHERE {EVENT_TIMESTAMP} >= $start AND {EVENT_TIMESTAMP} < $end",
        {"start": start, "end": end},
        since,
    )
    if not found:
        raise TrainingError(_nothing_served(data, task, f" of [{start:%F}, {end:%F})"))
    _require_features(task, recorded_files(record, since), start, end)
    frame = found.to_pandas()
    frame[task.timestamp] = frame[task.timestamp].dt.as_unit("us")
    return frame


def _outcomes(data: Path, task: TrainingTask, known_by: datetime | None) -> pd.DataFrame:
    found = query_record(outcomes_folder(data, task.service), _OUTCOMES, {"known_by": known_by})
    return found.to_pandas() if found is not None else pd.DataFrame({DECISION: pd.Series(dtype=str), "outcome": []})


def _label_events(
    task: TrainingTask, start: datetime, end: datetime, known_by: datetime | None
) -> tuple[pd.DataFrame | None, str]:
    """Return the label events of the span, else why there are none."""
    try:
        return read_label_events(task, start, end, known_by=known_by), ""
    except TrainingError as error:
        return None, str(error).removeprefix(f"{task.service}: ").rstrip(".")


def _require_features(task: TrainingTask, files: list[Path], start: datetime, end: datetime) -> None:
    """Refuse decisions of before a feature was in the service: it was not missing then, nobody looked."""
    for path in files:
        absent = sorted(set(task.features) - set(pq.read_schema(path).names))
        if not absent:
            continue
        at = pq.read_table(path, columns=[EVENT_TIMESTAMP])[EVENT_TIMESTAMP].to_pandas()
        if ((at >= start) & (at < end)).any():
            raise TrainingError(
                f"{task.service}: {', '.join(absent)} was not served with the decisions of {path.parent.name}; train on later days"
                " (TRAIN=), or without FROM_SERVED."
            )


def _require_columns(task: TrainingTask, rows: pd.DataFrame) -> None:
    for name, what in ((task.group, "millrace.group"), (task.drop_known, "millrace.drop_known")):
        if name and (name not in rows or rows[name].isna().any()):
            raise TrainingError(
                f"{task.service}: {what} names {name!r}, which decisions do not carry; make it a request field, or land label"
                " events that have it."
            )


def _nothing_served(data: Path, task: TrainingTask, span: str = "") -> str:
    found = query_record(
        decisions_folder(data, task.service),
        f"SELECT min({EVENT_TIMESTAMP}) AS first, max({EVENT_TIMESTAMP}) AS last FROM record",
    )
    if found is None:
        return f"{task.service}: no decision is recorded; serve some requests first (`make serve`), or train without FROM_SERVED."
    (of,) = found.to_pylist()
    return f"{task.service}: no decision is on a request{span}; they are of {of['first']:%F} to {of['last']:%F}, choose TRAIN= and TEST= within."


def _provenance(data: Path, task: TrainingTask, start: datetime, rows: pd.DataFrame) -> Mapping[str, Any]:
    files = [
        str(one) for one in recorded_files(decisions_folder(data, task.service), (start - timedelta(days=1)).date())
    ]
    told = int(rows["outcome"].notna().sum())
    return {
        "service": task.service,
        "from": "served decisions",
        "events": {"rows": len(rows), "outcomes": told, "label_events": len(rows) - told},
        "degraded": int(np.count_nonzero(rows["degraded"])),
        "decisions": describe_files(read_footers(fs.LocalFileSystem(), files)),
    }
