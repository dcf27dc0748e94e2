"""Makes few files of the many that the stream landed in the lake and wrote to feature logs, for days that are over. `make compact`."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from commands.plan import read_plans
from commands.settings import SettingError
from commands.table import show_table
from contract.durations import SECOND, format_duration, parse_duration
from pipelines.batch.lake import DAY, days_of, micros, newest_event
from pipelines.plan import EventTable, ViewPlan
from pipelines.stream.compaction import GRACE, Compacted, compact_day, compacting
from pipelines.stream.log_compaction import compact_log_day
from stores.parquet.log_commit import day_folder
from workspace.addresses import inside, is_local, is_there, open_address
from workspace.one_at_a_time import HeldError
from workspace.workspace import Workspace

EVERY: Final = 600.0
"""Seconds between two looks of the stream at the days of the lake and the logs."""


@dataclass(frozen=True, slots=True)
class Place:
    """A folder of days that is compacted.

    Attributes:
        name: What it is called.
        folder: The address where the days are.
        table: The events by which a day is over.
        compact: Compacts one day: takes its name, and the seconds that replaced files stay.
    """

    name: str
    folder: str
    table: EventTable
    compact: Callable[[str, float], Compacted]


def days_over(table: EventTable, folder: str | None = None) -> list[str]:
    """Return the days of a folder, by itself the table's lake, that are over: what still comes for them is late."""
    days = days_of(table.lake)
    newest = max((newest_event(table, day) for day in days[-2:]), default=-1)
    return [day for day in days_of(folder or table.lake) if micros(day) + DAY + table.lateness <= newest]


def landed_tables(plans: Sequence[ViewPlan], here: bool = False) -> list[EventTable]:
    """Return the tables that a stream lands, each once; with `here`, only those on this machine."""
    tables = {plan.table.lake: plan.table for plan in plans if plan.table.topic and _wanted(plan.table.lake, here)}
    return [table for lake, table in sorted(tables.items()) if is_there(lake)]


def places_of(plans: Sequence[ViewPlan], here: bool = False) -> list[Place]:
    """Return what a stream fills with small files: the lake's tables, and the feature logs of its views.

    Args:
        plans: The views.
        here: Whether only what is on this machine.
    """

    def lake(table: EventTable) -> Place:
        folder = table.lake
        return Place(
            table.name,
            folder,
            table,
            lambda day, grace: compact_day(inside(folder, day_folder(day)), table.timestamp, time.time(), grace),
        )

    def log(plan: ViewPlan) -> Place:
        return Place(
            f"log of {plan.view}",
            plan.log,
            plan.table,
            lambda day, grace: compact_log_day(plan.log, day, time.time(), grace),
        )

    tables = landed_tables(plans, here)
    streamed = [plan for plan in plans if plan.kind == "stream" and plan.table in tables and _wanted(plan.log, here)]
    logs = [log(plan) for plan in sorted(streamed, key=lambda one: one.view)]
    return [*(lake(table) for table in tables), *(one for one in logs if is_there(one.folder))]


def _wanted(address: str, here: bool) -> bool:
    return not here or is_local(address)


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


def compact_place(place: Place, days: Sequence[str], grace: float) -> Compacted:
    """Compact days of one table or log.

    Raises:
        HeldError: Somebody else compacts it.
    """
    done = Compacted()
    with compacting(place.folder):
        for day in days:
            done += place.compact(day, grace)
    return done


def compact_from_time_to_time(
    plans: Sequence[ViewPlan], say: Callable[[str], None], sleep: Callable[[float], object] = time.sleep
) -> None:
    """Compact every day of the lake and the logs on this machine once it is over, as long as the process lives.

    It is the stream's own work. What is far away is compacted by `make compact`: there nobody holds back another machine.
    What goes wrong is told, and tried again the next time; who else compacts is not disturbed.
    """
    tidy: dict[Path, int] = {}  # by folder of a day, when it last changed: nothing is to be done there
    while True:
        sleep(EVERY)
        for place in places_of(plans, here=True):
            try:
                root = open_address(place.folder)[1]
                folders = {day: Path(root, day_folder(day)) for day in days_over(place.table, place.folder)}
                days = [day for day, folder in folders.items() if tidy.get(folder) != folder.stat().st_mtime_ns]
                done = [compact_place(place, [day], GRACE) for day in days]
            except HeldError:
                continue
            except (OSError, ValueError) as error:
                say(f"compaction of {place.name}: {error}")
                continue
            tidy |= {
                folders[day]: folders[day].stat().st_mtime_ns
                for day, one in zip(days, done, strict=True)
                if not one.left
            }
            together = sum(done, Compacted())
            if together.made:
                say(f"compaction of {place.name}: {together.joined:,} files became {together.made:,}")


def main() -> None:
    """Compact the days that are over, from FROM to TO, both inclusive; without them, all.

    Files that were replaced stay for GRACE, so that whoever reads meanwhile finds them; a later run removes them.
    """
    first, last = os.environ.get("FROM"), os.environ.get("TO")
    grace = read_grace()
    rows = []
    for place in places_of(read_plans(Workspace.from_env())):
        days = [
            day
            for day in days_over(place.table, place.folder)
            if (not first or micros(day) >= micros(first)) and (not last or micros(day) <= micros(last))
        ]
        done = compact_place(place, days, grace)
        rows.append((place.name, *(f"{n:,}" for n in (len(days), done.joined, done.made, done.rows, done.removed))))
    show_table(("table or log", "days over", "files joined", "into", "rows", "removed"), rows)
