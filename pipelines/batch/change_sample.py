"""How values change with a plan, by a sample: both plans over the same events of some entities, read at the same instants."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from pipelines.arrange import EventError, number_entities, times
from pipelines.batch.compute import compute_log
from pipelines.batch.here import files_of, read_files
from pipelines.batch.lake import DAY, days_of, micros
from pipelines.plan import EventTable, ViewPlan

ENTITIES = 2_000
EVENTS = 200_000
DAYS = 3
"""The newest days that hold events: from them come the entities, and the times of their events are the instants."""

EXAMPLES = 2
ROUNDING = 1e-9

Whole = npt.NDArray[np.int64]


class SampleError(ValueError):
    """Why there is no sample."""


@dataclass(frozen=True, slots=True)
class FeatureSample:
    """How one feature's values change.

    Attributes:
        name: The feature.
        differ: Reads whose value is another.
        mean: Mean absolute change over those of them that are numbers before and after; None where there is none.
        examples: A few: (the entity in words, instant in microseconds, value before, value after).
    """

    name: str
    differ: int
    mean: float | None
    examples: tuple[tuple[str, int, Any, Any], ...]


@dataclass(frozen=True, slots=True)
class Sample:
    """What a sample says.

    Attributes:
        entities: How many entities are in it.
        events: How many events of theirs, the history before the first instant included.
        reads: How many (entity, instant) were read.
        differ: At how many of them some feature is another.
        start: The first instant, microseconds.
        stop: The last one.
        cut: Whether the events do not reach back as far as the windows, for there are too many.
        features: The features that are in both plans.
    """

    entities: int
    events: int
    reads: int
    differ: int
    start: int
    stop: int
    cut: bool
    features: tuple[FeatureSample, ...]


def sample_change(old: ViewPlan, new: ViewPlan, entities: int = ENTITIES, events: int = EVENTS) -> Sample:
    """Read the newest lake days of some entities with both plans, at the times of their events, just before each.

    Raises:
        SampleError: There is nothing that both could be read for; the message says why.
    """
    if old.keys != new.keys:
        raise SampleError(f"keyed by {', '.join(new.keys)} and not by {', '.join(old.keys)} any more: every row is new")
    names = [f.name for f in new.features if f.name in {one.name for one in old.features}]
    if not names:
        raise SampleError("no feature is in both")
    picked, start, stop = _pick(new, entities)
    since = max(start - max(old.reach, new.reach), 0)
    table, picked, cut = _gather(new.table, picked, since, stop, events)
    before = table
    if _events_of(old.table) != _events_of(new.table):
        before, picked, old_cut = _gather(old.table, picked, since, stop, events)
        table, cut = _of(table, picked), cut or old_cut
    at = times(table[new.table.timestamp])
    asked = table.select(list(new.keys)).filter(pa.array(at >= start))
    at = at[at >= start]
    try:
        logs = [compute_log(plan, rows, 0, stop + 1) for plan, rows in ((old, before), (new, table))]
    except (EventError, KeyError, pa.ArrowException) as error:
        raise SampleError(f"its events cannot be computed with: {error}") from None
    asked, at = _each_once(asked, at)
    here, there = (_newest(log, asked, at) for log in logs)
    differ = np.zeros(len(at), bool)
    features = []
    for name in names:
        one, other = (_values(log, name, rows) for log, rows in zip(logs, (here, there), strict=True))
        changed, mean = _compare(one, other)
        differ |= changed
        rows = np.flatnonzero(changed)[:EXAMPLES]
        examples = tuple((_entity(asked, row), int(at[row]), one[row].as_py(), other[row].as_py()) for row in rows)
        features.append(FeatureSample(name, int(changed.sum()), mean, examples))
    reads = len(at)
    return Sample(len(picked), len(table), reads, int(differ.sum()), start, int(at.max()), cut, tuple(features))


def _events_of(table: EventTable) -> tuple[str, str, str]:
    return table.lake, table.timestamp, table.event_id


def _pick(plan: ViewPlan, most: int) -> tuple[pa.Table, int, int]:
    """Return some entities of the newest days, the first instant of these days and the end of the last.

    Which ones is by lot, and the same lot each time.
    """
    table = plan.table
    if "://" in table.lake:
        raise SampleError(f"{table.lake} is not on this machine")
    days = [day for day in days_of(table.lake) if files_of(table.lake, micros(day), micros(day))]
    if not days:
        raise SampleError(f"there are no events in {table.lake}")
    newest = days[-DAYS:]
    known = pa.concat_tables([_read_day(table, day, list(plan.keys)) for day in newest])
    if not len(known):
        raise SampleError(f"the newest days of {table.lake} are empty")
    _, entities = number_entities(known, plan.keys)
    lot = np.random.default_rng(0).permutation(len(entities))[:most]
    return entities.take(pa.array(lot)), micros(newest[0]), micros(newest[-1]) + DAY


def _gather(table: EventTable, picked: pa.Table, since: int, stop: int, most: int) -> tuple[pa.Table, pa.Table, bool]:
    """Return the picked entities' events, whom they are of, and whether they were too many to go back to `since`.

    From the newest day backwards; where they grow too many, half of the entities are let go.
    """
    parts: list[pa.Table] = []
    for part in _days_backwards(table, picked, since, stop):
        parts.append(_of(part, picked))
        while sum(map(len, parts)) > most:
            if len(picked) == 1:
                return pa.concat_tables(reversed(parts), promote_options="permissive"), picked, True
            picked = picked.slice(0, len(picked) // 2)
            parts = [_of(one, picked) for one in parts]
    if not parts:
        raise SampleError(f"there are no events in {table.lake}")
    return pa.concat_tables(reversed(parts), promote_options="permissive"), picked, False


def _days_backwards(table: EventTable, picked: pa.Table, since: int, stop: int) -> Iterator[pa.Table]:
    name = picked.column_names[0]
    where = pc.field(name).isin(picked[name].combine_chunks())
    for day in reversed(days_of(table.lake)):
        if since - DAY < micros(day) < stop and files_of(table.lake, micros(day), micros(day)):
            yield _read_day(table, day, None, where)


def _read_day(
    table: EventTable, day: str, columns: Sequence[str] | None, where: pc.Expression | None = None
) -> pa.Table:
    """Return a day's events; those without a key, time or id are the backfill's to refuse, not the sample's."""
    rows = read_files(files_of(table.lake, micros(day), micros(day)), columns, where)
    needed = columns or [table.timestamp, table.event_id]
    for name in needed:
        rows = rows.filter(pc.is_valid(rows[name]))
    return rows


def _of(events: pa.Table, picked: pa.Table) -> pa.Table:
    """Return the events of the picked entities."""
    first, others = _numbers([picked, events.select(picked.column_names)])
    return events.filter(pa.array(np.isin(others, first)))


def _numbers(tables: Sequence[pa.Table]) -> list[Whole]:
    """Return the entity numbers of each table's rows, one numbering for all."""
    joined = pa.concat_tables([table.cast(tables[0].schema) for table in tables])
    number, _ = number_entities(joined, joined.column_names)
    return np.split(number, np.cumsum([len(table) for table in tables])[:-1])


def _each_once(asked: pa.Table, at: Whole) -> tuple[pa.Table, Whole]:
    """Return each (entity, instant) once, by instant."""
    (number,) = _numbers([asked])
    _, first = np.unique(np.column_stack([at, number]), axis=0, return_index=True)
    return asked.take(pa.array(first)), at[first]


def _newest(log: pa.Table, asked: pa.Table, at: Whole) -> pa.Array:
    """Return, for each read, the position of the entity's newest row at or before the instant; null for none."""
    readers, owners = _numbers([asked, log.select(asked.column_names)])
    t = times(log["event_timestamp"])
    order = np.lexsort((t, owners))
    base, end = min(int(at.min()), int(t.min(initial=at.min()))), max(int(at.max()), int(t.max(initial=at.max()))) + 1
    keys = owners[order] * (end - base) + (t[order] - base)
    found = np.searchsorted(keys, readers * (end - base) + (at - base), side="right") - 1
    none = found < 0
    rows = order[np.maximum(found, 0)] if len(order) else np.zeros(len(found), np.int64)
    none |= (owners[rows] != readers) if len(order) else True
    return pa.array(rows, mask=none)


def _values(log: pa.Table, name: str, rows: pa.Array) -> pa.Array:
    taken = log[name].combine_chunks() if isinstance(log[name], pa.ChunkedArray) else log[name]
    if isinstance(taken, pa.ChunkedArray):
        taken = pa.concat_arrays(taken.chunks)
    return taken.take(rows)


def _compare(one: pa.Array, other: pa.Array) -> tuple[npt.NDArray[np.bool_], float | None]:
    """Return where values differ, and the mean absolute change where both are numbers and differ."""
    if not (_is_number(one.type) and _is_number(other.type)):
        pairs = zip(one.to_pylist(), other.to_pylist(), strict=True)
        return np.array([a != b for a, b in pairs], bool), None
    a, b = (np.asarray(side.cast(pa.float64()).to_numpy(zero_copy_only=False), np.float64) for side in (one, other))
    both = ~np.isnan(a) & ~np.isnan(b)
    moved = np.abs(np.where(both, b - a, 0.0))
    far = moved > ROUNDING * np.maximum(np.maximum(np.abs(a), np.abs(b)), 1.0, where=both, out=np.ones_like(a))
    changed = (np.isnan(a) != np.isnan(b)) | (both & far)
    numbers = moved[changed & both]
    return changed, float(numbers.mean()) if len(numbers) else None


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_null(kind))


def _entity(asked: pa.Table, row: int) -> str:
    return ", ".join(f"{name}={asked[name][row].as_py()!r}" for name in asked.column_names)
