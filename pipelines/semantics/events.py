"""A block of events, sorted for the columnar engines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Times = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Events:
    """Events of many entities, by (entity, event time, event id), each id once.

    Attributes:
        entity: int64, the entity of each event as a dense number 0, 1, ... in ascending order.
        ts: int64, event time in microseconds since the epoch, UTC.
        columns: The input columns, one entry an event.
        seen: int64, the time from which on each event is seen: its own, or, where it became known later than the view's delay
            after it, as much before it became known (rule 12); None where nobody noted when events became known.
    """

    entity: Times
    ts: Times
    columns: Mapping[str, pa.Array]
    seen: Times | None = None

    def __len__(self) -> int:
        """Return the number of events."""
        return len(self.ts)


def sort_events(entity: Times, ts: Times, ids: npt.NDArray[np.generic]) -> Times:
    """Return the positions of the events to keep, in order: by (entity, time, id), each id of an entity once.

    Of several events with one id the earliest stays; at equal times the one that came first (rule 6).
    """
    if len(entity) < 2:
        return np.arange(len(entity))
    keys = join_keys(entity, ts)
    if keys is None:
        order = np.lexsort((ids, ts, entity))
    else:
        order = np.argsort(keys, kind="stable")
        if (np.diff(keys[order]) == 0).any():
            order = np.lexsort((ids, keys))
    by_value = np.sort(ids)
    if not (by_value[1:] == by_value[:-1]).any():
        return order
    again = np.zeros(len(order), bool)
    by_id = order[np.lexsort((np.arange(len(order)), ids[order], entity[order]))]
    repeated = (entity[by_id][1:] == entity[by_id][:-1]) & (ids[by_id][1:] == ids[by_id][:-1])
    again[by_id[1:][repeated]] = True
    return order[~again[order]]


def join_keys(entity: Times, t: Times) -> Times | None:
    """Return one number for each (entity, t), in the same order; None where 64 bits do not hold them."""
    base, span = _span(t)
    most = int(entity.max()) + 1 if len(entity) else 1
    return entity * span + (t - base) if most * span < 2**63 else None


def _span(ts: Times) -> tuple[int, int]:
    base = int(ts.min()) if len(ts) else 0
    return base, (int(ts.max()) - base + 2 if len(ts) else 2)
