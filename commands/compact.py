"""Makes few files of the many that the stream landed in the lake, for days that are over. `make compact`."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from commands.plan import read_plans
from commands.settings import SettingError
from commands.table import show_table
from contract.durations import SECOND, format_duration, parse_duration
from pipelines.batch.lake import DAY, days_of, micros, newest_event
from pipelines.plan import EventTable, ViewPlan
from pipelines.stream.compaction import GRACE, Compacted, CompactionError, compact_day, compacting
from workspace.workspace import Workspace

EVERY: Final = 600.0
"""Seconds between two looks of the stream at the days of the lake."""


def days_over(table: EventTable) -> list[str]:
    """Return the days of a table's lake that are over: what still comes for them is late."""
    days = days_of(table.lake)
    newest = max((newest_event(table, day) for day in days[-2:]), default=-1)
    return [day for day in days if micros(day) + DAY + table.lateness <= newest]


def landed_tables(plans: Sequence[ViewPlan]) -> list[EventTable]:
    """Return the tables that a stream lands, each once."""
    tables = {plan.table.lake: plan.table for plan in plans if plan.table.topic}
    return [table for lake, table in sorted(tables.items()) if Path(lake).is_dir()]


def read_grace() -> float:
    """Return GRACE in seconds.

    Raises:
        SettingError: It is no duration.
    """
    text = os.environ.get("GRACE") or format_duration(int(GRACE) * SECOND)
    try:
        return parse_duration(text) / SECOND
    except ValueError as error:
        raise SettingError(f"GRACE: {error}") from None


def compact_table(table: EventTable, days: Sequence[str], grace: float) -> Compacted:
    """Compact days of one table.

    Raises:
        CompactionError: Somebody else compacts it.
    """
    done = Compacted()
    with compacting(Path(table.lake)):
        for day in days:
            done += compact_day(Path(table.lake) / f"date={day}", table.timestamp, time.time(), grace)
    return done


def compact_from_time_to_time(
    plans: Sequence[ViewPlan], say: Callable[[str], None], sleep: Callable[[float], object] = time.sleep
) -> None:
    """Compact every day of the lake once it is over, as long as the process lives: the stream's own work.

    What goes wrong is told, and tried again the next time; who else compacts a table is not disturbed.
    """
    tidy: dict[Path, int] = {}  # by folder of a day, when it last changed: nothing is to be done there
    while True:
        sleep(EVERY)
        for table in landed_tables(plans):
            try:
                folders = {day: Path(table.lake) / f"date={day}" for day in days_over(table)}
                days = [day for day, folder in folders.items() if tidy.get(folder) != folder.stat().st_mtime_ns]
                done = [compact_table(table, [day], GRACE) for day in days]
            except CompactionError:
                continue
            except (OSError, ValueError) as error:
                say(f"compaction of {table.name}: {error}")
                continue
            tidy |= {
                folders[day]: folders[day].stat().st_mtime_ns
                for day, one in zip(days, done, strict=True)
                if not one.left
            }
            together = sum(done, Compacted())
            if together.made:
                say(f"compaction of {table.name}: {together.joined:,} files became {together.made:,}")


def main() -> None:
    """Compact the days that are over, from FROM to TO, both inclusive; without them, all.

    Files that were replaced stay for GRACE, so that whoever reads the lake meanwhile finds them; a later run removes them.
    """
    first, last = os.environ.get("FROM"), os.environ.get("TO")
    grace = read_grace()
    rows = []
    for table in landed_tables(read_plans(Workspace.from_env())):
        days = [
            day
            for day in days_over(table)
            if (not first or micros(day) >= micros(first)) and (not last or micros(day) <= micros(last))
        ]
        done = compact_table(table, days, grace)
        rows.append((table.name, *(f"{n:,}" for n in (len(days), done.joined, done.made, done.rows, done.removed))))
    show_table(("table", "days over", "files joined", "into", "rows", "removed"), rows)
