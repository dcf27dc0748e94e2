"""The columnar meaning of features: change points, values at them, and the rows where something changes.

Every window is a contiguous range of an entity's sorted events, so a value at any instant is a function of two
positions. Both engines use these functions: Spark over whole histories, Bytewax over the entities a batch touched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from pipelines.semantics.aggregators.ranges import expand_ranges
from pipelines.semantics.aggregators.values import Values
from pipelines.semantics.events import Events, Times, find_first, join_keys
from pipelines.semantics.feature import Feature
from pipelines.semantics.windows import Window


@dataclass(frozen=True, slots=True)
class Rows:
    """Values of a view's features, sorted by (entity, t).

    Attributes:
        entity: int64, as in the events.
        t: int64, the first microsecond at which the row holds.
        some: bool, whether any window held an event.
        values: One array a feature, in the order of the features.
    """

    entity: Times
    t: Times
    some: npt.NDArray[np.bool_]
    values: tuple[pa.Array, ...]

    def take(self, where: npt.NDArray[np.generic]) -> Rows:
        """Return the rows at these positions, or where this mask is true."""
        at = np.flatnonzero(where) if where.dtype == np.bool_ else where
        return Rows(self.entity[at], self.t[at], self.some[at], tuple(v.take(pa.array(at)) for v in self.values))


def change_points(features: Sequence[Feature], events: Events, start: int, stop: int) -> tuple[Times, Times]:
    """Return all (entity, t), sorted, with `start <= t < stop` at which a value can change (rule 3)."""
    found = [edge(events.ts) for window in _windows(features) for edge in (window.enters, window.leaves)]
    last = np.ones(len(events), bool)
    for delay, gap in {(f.window.delay, f.gap) for f in features if f.gap is not None}:
        last[:-1] = (np.diff(events.entity) != 0) | (np.diff(events.ts) >= gap)
        found.append(np.where(last, events.ts + delay + gap, np.iinfo(np.int64).min))
    t = np.concatenate(found) if found else np.zeros(0, np.int64)
    entity = np.tile(events.entity, len(found))
    inside = (t >= start) & (t < stop)
    t, entity = t[inside], entity[inside]
    keys = join_keys(entity, t)
    order = np.lexsort((t, entity)) if keys is None else np.argsort(keys)
    t, entity = t[order], entity[order]
    new = np.ones(len(t), bool)
    new[1:] = (np.diff(t) != 0) | (np.diff(entity) != 0)
    return entity[new], t[new]


def evaluate(features: Sequence[Feature], events: Events, entity: Times, t: Times) -> Rows:
    """Return the values of all features at each (entity, t)."""
    columns: dict[str | None, Values] = {None: Values(pa.array(events.ts, pa.timestamp("us", "UTC")))}
    ranges: dict[Window, tuple[Times, Times]] = {}
    some = np.zeros(len(t), bool)
    values = []
    for feature in features:
        window = feature.window
        if window not in ranges:
            ranges[window] = find_first(events, entity, window.first(t)), find_first(events, entity, window.end(t))
            some |= ranges[window][0] < ranges[window][1]
        starts, stops = ranges[window]
        if feature.gap is not None:
            starts, stops = _sessions(events, starts, stops, window.end(t), feature.gap)
        if feature.column not in columns:
            columns[feature.column] = Values(events.columns[feature.column or ""])
        column = columns[feature.column]
        values.append(feature.aggregator.over(column, *column.locate(starts, stops)))
    return Rows(entity, t, some, tuple(values))


def changed(rows: Rows) -> npt.NDArray[np.bool_]:
    """Say of each row whether it differs from the row before it of the same entity; an entity's first always does,
    unless it says that there is nothing.
    """
    if not len(rows.t):
        return np.zeros(0, bool)
    first = np.ones(len(rows.t), bool)
    first[1:] = np.diff(rows.entity) != 0
    differs = np.ones(len(rows.t), bool)
    differs[1:] = np.diff(rows.some.astype(np.int8)) != 0
    for column in rows.values:
        differs[1:] |= _differs(column)
    return np.where(first, rows.some, differs)


def feature_log(features: Sequence[Feature], events: Events, start: int, stop: int) -> Rows:
    """Return every row with `start <= t < stop`: rule 3, "a row only where a value changes".

    The events must reach back to the longest window, slide and delay before `start`.
    """
    entity, t = change_points(features, events, start, stop)
    opening = np.unique(entity)
    at = np.concatenate([entity, opening])
    when = np.concatenate([t, np.full(len(opening), start - 1, np.int64)])
    order = np.lexsort((when, at))
    rows = evaluate(features, events, at[order], when[order])
    return rows.take(changed(rows) & (rows.t >= start))


def _windows(features: Sequence[Feature]) -> set[Window]:
    return {feature.window for feature in features}


def _sessions(events: Events, starts: Times, stops: Times, end: Times, gap: int) -> tuple[Times, Times]:
    """Cut ranges down to the running session; to nothing where it has ended (rule 11)."""
    breaks = np.ones(len(events), bool)
    breaks[1:] = (np.diff(events.entity) != 0) | (np.diff(events.ts) >= gap)
    opened = np.maximum.accumulate(np.where(breaks, np.arange(len(events)), 0))
    last = np.maximum(stops - 1, 0)
    if not len(events):
        return stops, stops
    running = (starts < stops) & (end - events.ts[last] < gap)
    return np.where(running, np.maximum(starts, opened[last]), stops), stops


def _differs(column: pa.Array) -> npt.NDArray[np.bool_]:
    """Say of each entry but the first whether it differs from the one before; null equals null."""
    if pa.types.is_list(column.type):
        return _lists_differ(column)
    null = column.is_null().to_numpy(zero_copy_only=False)
    codes = _comparable(column)
    return np.where(null[1:] | null[:-1], null[1:] != null[:-1], codes[1:] != codes[:-1])


def _lists_differ(column: pa.Array) -> npt.NDArray[np.bool_]:
    offsets = column.offsets.to_numpy().astype(np.int64)
    items = _comparable(column.values)
    lengths = np.diff(offsets)
    differs = lengths[1:] != lengths[:-1]
    same = np.flatnonzero(~differs & (lengths[1:] > 0))
    here, there = (expand_ranges(offsets[:-1][same + step], lengths[same]) for step in (1, 0))
    unequal = np.bincount(np.repeat(np.arange(len(same)), lengths[same]), items[here] != items[there], len(same))
    differs[same] = unequal > 0
    return differs


def _comparable(column: pa.Array) -> npt.NDArray[np.generic]:
    """Return numbers that are equal where the values are; anything at a null."""
    kind = column.type
    if pa.types.is_timestamp(kind):
        return column.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    if pa.types.is_floating(kind):
        return column.fill_null(0.0).to_numpy(zero_copy_only=False)
    if pa.types.is_integer(kind):
        return column.fill_null(0).to_numpy(zero_copy_only=False)
    return column.dictionary_encode().indices.fill_null(-1).to_numpy(zero_copy_only=False)
