"""The newest row of each entity at an instant: what an online store should hold."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipelines.semantics.events import Events
from pipelines.semantics.feature import Feature
from pipelines.semantics.timeline import Rows, change_points, changed, evaluate, feature_log

EVER = -(2**60)


def newest_rows(features: Sequence[Feature], events: Events, now: int) -> Rows:
    """Return, for each entity that has one, the latest row of the feature log with `t <= now`.

    Args:
        features: The features.
        events: All events of some entities that are inside, or were inside until their latest change.
        now: Microseconds since the epoch.
    """
    entity, t = change_points(features, events, EVER, now + 1)
    last = np.ones(len(t), bool)
    last[:-1] = np.diff(entity) != 0
    before = np.zeros(len(t), bool)
    before[:-1] = last[1:] & (np.diff(entity) == 0)
    pair = last | before
    rows = evaluate(features, events, entity[pair], t[pair])
    final = last[pair]
    holds = changed(rows)
    settled = rows.take(final & holds)
    unsettled = rows.entity[final & ~holds]
    if not len(unsettled):
        return settled
    older = _older(features, events, unsettled, now)
    both = tuple(pa.concat_arrays([a, b]) for a, b in zip(settled.values, older.values, strict=True))
    joined = Rows(
        np.concatenate([settled.entity, older.entity]),
        np.concatenate([settled.t, older.t]),
        np.concatenate([settled.some, older.some]),
        both,
    )
    return joined.take(np.argsort(joined.entity, kind="stable"))


def _older(features: Sequence[Feature], events: Events, entities: npt.NDArray[np.int64], now: int) -> Rows:
    """Return the latest row of entities at whose last change point nothing changed, from their whole log."""
    keep = np.flatnonzero(np.isin(events.entity, entities))
    number = np.searchsorted(entities, events.entity[keep])
    columns = {name: column.take(pa.array(keep)) for name, column in events.columns.items()}
    log = feature_log(features, Events(number, events.ts[keep], columns), EVER, now + 1)
    last = np.ones(len(log.t), bool)
    last[:-1] = np.diff(log.entity) != 0
    rows = log.take(last)
    return Rows(entities[rows.entity], rows.t, rows.some, rows.values)
