"""Faults as feeds have them, planted into good events: each names the check that must find it, and the day it begins."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

DAY: Final = 86_400_000_000
TIME, ID, AMOUNT = "event_timestamp", "transaction_id", "amount"

Plant = Callable[[pa.Table, int], pa.Table]
"""Takes events and a day (counted from the epoch), and returns them with the fault."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault.

    Attributes:
        name: What it is.
        plant: Puts it into events.
        found_by: The expectation that must find it.
    """

    name: str
    plant: Plant
    found_by: str


def day_numbers(events: pa.Table) -> np.ndarray:
    """Return the day of each event, counted from the epoch."""
    return pc.cast(events[TIME], pa.int64()).to_numpy() // DAY


def _set(events: pa.Table, column: str, values: pa.Array) -> pa.Table:
    return events.set_column(events.schema.get_field_index(column), column, values)


def _change(events: pa.Table, column: str, where: np.ndarray, change: Callable[[np.ndarray], np.ndarray]) -> pa.Table:
    values = events[column].to_numpy()
    return _set(events, column, pa.array(np.where(where, change(values), values), events.schema.field(column).type))


def in_cents(events: pa.Table, day: int) -> pa.Table:
    """Send amounts in cents from a day on."""
    return _change(events, AMOUNT, day_numbers(events) >= day, lambda amounts: amounts * 100)


def dead_sensor(events: pa.Table, day: int) -> pa.Table:
    """Send the same amount from a day on."""
    return _change(events, AMOUNT, day_numbers(events) >= day, lambda amounts: np.full_like(amounts, 12.5))


def one_terminal(events: pa.Table, day: int) -> pa.Table:
    """Send everything from one terminal on a day."""
    return _change(events, "terminal_id", day_numbers(events) == day, lambda ids: np.full_like(ids, 7))


def lost_values(events: pa.Table, day: int) -> pa.Table:
    """Lose every second terminal on a day."""
    lost = (day_numbers(events) == day) & (np.arange(len(events)) % 2 == 0)
    return _set(events, "terminal_id", pc.if_else(pa.array(lost), None, events["terminal_id"]))


def missing_day(events: pa.Table, day: int) -> pa.Table:
    """Lose a day."""
    return events.filter(pa.array(day_numbers(events) != day))


def late_day(events: pa.Table, day: int) -> pa.Table:
    """Have only a tenth of a day's events: the others are still on their way."""
    return events.filter(pa.array((day_numbers(events) != day) | (np.arange(len(events)) % 10 == 0)))


def silent_feed(events: pa.Table, day: int) -> pa.Table:
    """Have nothing from a day on."""
    return events.filter(pa.array(day_numbers(events) < day))


def day_again(events: pa.Table, day: int) -> pa.Table:
    """Send the day before once more in place of a day, under its date and new ids."""
    days = day_numbers(events)
    before = events.filter(pa.array(days == day - 1))
    moved = pc.cast(pc.add(pc.cast(before[TIME], pa.int64()), DAY), pa.timestamp("us", "UTC"))
    again = _set(_set(before, TIME, moved), ID, pc.add(before[ID], 10**15))
    return pa.concat_tables([events.filter(pa.array(days != day)), again]).sort_by(TIME).combine_chunks()


def day_doubled(events: pa.Table, day: int) -> pa.Table:
    """Send half of a day's events twice, under new ids."""
    days = day_numbers(events)
    part = events.filter(pa.array((days == day) & (np.arange(len(events)) % 2 == 0)))
    again = _set(part, ID, pc.add(part[ID], 10**15))
    return pa.concat_tables([events, again]).sort_by(TIME).combine_chunks()


def day_landed_twice(events: pa.Table, day: int) -> pa.Table:
    """Send a day twice, ids and all."""
    again = events.filter(pa.array(day_numbers(events) == day))
    return pa.concat_tables([events, again]).sort_by(TIME).combine_chunks()


FAULTS: Final = (
    Fault("broken unit: cents for euros from a day on", in_cents, "expect_column_daily_median_to_be_usual"),
    Fault("dead sensor: one amount from a day on", dead_sensor, "expect_column_to_vary_each_day"),
    Fault("dead key: all of a day at one terminal", one_terminal, "expect_column_to_vary_each_day"),
    Fault("half of a column lost on a day", lost_values, "expect_column_daily_nulls_to_be_usual"),
    Fault("a day missing", missing_day, "expect_no_day_to_be_missing"),
    Fault("late feed: a tenth of a day is there", late_day, "expect_day_row_count_to_be_usual"),
    Fault("late feed: nothing since a day", silent_feed, "expect_newest_row_to_be_recent"),
    Fault("duplicated day: the day before again, new ids", day_again, "expect_no_day_to_repeat_another"),
    Fault("duplicated events: some of a day, new ids", day_doubled, "expect_day_rows_not_to_come_twice"),
    Fault("duplicated day: landed twice", day_landed_twice, "expect_column_values_to_be_unique"),
)
