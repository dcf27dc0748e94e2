"""Finds the late event behind a served value: one without which the view's reference gives exactly what was served."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from contract.service import EVENT_TIMESTAMP
from pipelines.arrange import transformed
from pipelines.batch.event_files import find_event_files, read_events
from pipelines.batch.lake import LakeError
from pipelines.plan import ViewPlan
from pipelines.semantics import reference
from pipelines.semantics.feature import Feature
from pipelines.semantics.reference import Event
from validation.consistency.agree import agrees
from validation.consistency.measure import Explain

LOOKED_AT: Final = 100
"""How many rows of a view are looked into; the reference is slow."""

CANDIDATES: Final = 200
"""How many events before a request are tried, the newest first."""

EVENTS_AT_ONCE: Final = 400_000


def explain_by(plans: Sequence[ViewPlan]) -> Explain:
    """Return what tells late events from other reasons, for views that are computed from a lake of events.

    Nobody notes when an event came, unless its source has `millrace.arrived`. So each event of before the request is taken away
    in turn: if the values without it are those that were served, all of them, it had not come.
    """
    by_view = {plan.view: plan for plan in plans}

    def explain(view: str, rows: pd.DataFrame, names: Sequence[str]) -> npt.NDArray[np.bool_]:
        late = np.zeros(len(rows), bool)
        plan = by_view.get(view)
        if plan is None:
            return late
        features = [one for one in plan.features if one.name in names]
        looked = rows.head(LOOKED_AT)
        events = _events(plan, looked)
        for number, row in enumerate(looked.to_dict("records")):
            entity = tuple(row[key] for key in plan.keys)
            late[number] = _is_explained(features, events.get(entity, ()), row, int(row[EVENT_TIMESTAMP]))
        return late

    return explain


def _is_explained(features: Sequence[Feature], events: Sequence[Event], row: Mapping[str, Any], t: int) -> bool:
    before = [event for event in events if event.ts < t]
    for number in range(len(before) - 1, max(-1, len(before) - 1 - CANDIDATES), -1):
        without = [*before[:number], *before[number + 1 :]]
        if all(agrees(row[one.name], reference.value_at(one, without, t)) for one in features):
            return True
    return False


def _events(plan: ViewPlan, rows: pd.DataFrame) -> dict[tuple[Any, ...], list[Event]]:
    """Return the events that some rows are made of, by entity; none where the lake has none."""
    table, at = plan.table, rows[EVENT_TIMESTAMP]
    start, stop = int(at.min()) - plan.reach, int(at.max()) + 1
    try:
        files = find_event_files(table.lake, start, stop, EVENTS_AT_ONCE)
    except LakeError:
        return {}
    key = plan.keys[0]
    wanted = pa.array(rows[key].unique().tolist())
    found: dict[tuple[Any, ...], list[Event]] = {}
    for part in read_events(files, None, table.timestamp, start, stop, EVENTS_AT_ONCE) if files.pieces else ():
        some = part.filter(pc.is_in(part[key], wanted.cast(part[key].type)))
        for one in transformed(plan, some).to_pylist():
            ts = (one[table.timestamp] - reference.EPOCH) // pd.Timedelta(microseconds=1).to_pytimedelta()
            entity = tuple(one[name] for name in plan.keys)
            found.setdefault(entity, []).append(Event(ts, one[table.event_id], one))
    return {entity: reference.distinct(its) for entity, its in found.items()}
