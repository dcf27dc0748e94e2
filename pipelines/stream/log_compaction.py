"""Makes few files of the many that a stream writes for a day of a feature log.

A row of a log must be there once, so what is joined takes the place of what it is made of by a commit
(`stores/parquet/log_commit.py`): our readers see the one or the others, never both. The files that are replaced stay where they
are for as long as a reader's patience, and the new one stays where it was committed for as long again: whoever listed either can
still read it. A backfill that replaces the day meanwhile settles the commit first, and replaces what it made.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePosixPath
from typing import Final

from pyarrow import fs

from pipelines.stream.compaction import GRACE, LARGEST, Compacted, changed, group_files, join_files, joined_name
from stores.parquet.log_commit import (
    COMMIT,
    COMPACTED,
    DayCommit,
    choosing,
    day_folder,
    held_files,
    settle_compacted,
    write_commit,
)
from workspace.addresses import inside, is_local, list_files, list_folders, names_below, open_address

TIME: Final = "event_timestamp"

UNSURE: Final = 2
"""Files of a shard, the newest ones, that a stream may still write anew after a kill."""

DEAD_FAR_AWAY: Final = 86_400.0
"""Seconds after which what is far away and was not committed is taken for a dead run's: it may be of another machine's."""


def compact_log_day(log: str | Path, day: str, now: float, grace: float = GRACE, largest: int = LARGEST) -> Compacted:
    """Join the small files that a stream wrote for one day of a log. A second call changes nothing.

    A day that was joined is left alone until its commit is done with, two graces later.

    Args:
        log: The address of the log's folder.
        day: The UTC day, `YYYY-MM-DD`.
        now: The clock that file times are by, seconds.
        grace: Seconds that replaced files stay.
        largest: Bytes from which on a file is left as it is.
    """
    log = str(log)
    done, open_commits = _finish(log, day, now, grace)
    if open_commits:
        return done
    for group in group_files(_small_files(log, day, largest), largest):
        staging = inside(log, f"{COMPACTED}{day}-{joined_name(group).removesuffix('.parquet')}")
        try:
            rows = join_files(group, inside(log, day_folder(day)), staging, TIME)
        except FileNotFoundError:  # a backfill is replacing the day
            break
        if _commit(log, day, staging, group):
            done += Compacted(len(group), 1, rows, left=len(group))
        else:  # one has just replaced it
            _drop(staging)
    return done


def _finish(log: str, day: str, now: float, grace: float) -> tuple[Compacted, int]:
    """Go on with what earlier runs committed for a day; return what was removed, and how many commits are still open."""
    done, still_open = Compacted(), 0
    if not list_folders(log):
        return done, 0
    with choosing(log):
        for name in list_folders(log):
            if not name.startswith(f"{COMPACTED}{day}-"):
                continue
            staging = inside(log, name)
            files = {file.base_name: file for file in list_files(staging)}
            if COMMIT not in files:  # of a run that was killed: one compacts at a time
                if is_local(log) or all(changed(file) < now - DEAD_FAR_AWAY for file in files.values()):
                    _drop(staging)
                continue
            age = now - changed(files[COMMIT])
            removed = settle_compacted(log, name) if age >= grace else 0
            left = 0
            if age >= 2 * grace:
                _drop(staging)
            else:
                still_open, left = still_open + 1, 1
            done += Compacted(removed=removed, left=left)
    return done, still_open


def _drop(staging: str) -> None:
    system, folder = open_address(staging)
    system.delete_dir(folder)


def _commit(log: str, day: str, staging: str, group: Sequence[fs.FileInfo]) -> bool:
    """Let the joined file hold instead of those it was made of, if all of these are still part of the log."""
    names = tuple(file.base_name for file in group)
    with choosing(log):
        held = {path[1] for path in held_files(log).values() if path[0] == day_folder(day) and len(path) == 2}
        if not held.issuperset(names):
            return False
        write_commit(staging, {day: DayCommit((joined_name(group),), names)})
        return True


def _small_files(log: str, day: str, largest: int) -> list[fs.FileInfo]:
    folder = open_address(log)[1]
    numbers: dict[str, set[int]] = {}
    of_day = []
    for file in list_files(log):
        names = names_below(folder, file.path)
        if len(names) != 2 or not names[0].startswith("date=") or not names[1].endswith(".parquet"):
            continue
        if names[1].startswith("stream-"):
            shard, number = _numbered(names[1])
            numbers.setdefault(shard, set()).add(number)
        if names[0] == day_folder(day) and file.size < largest:
            of_day.append(file)
    sure = {shard: sorted(some)[:-UNSURE] for shard, some in numbers.items()}
    small = [
        file
        for file in of_day
        if file.base_name.startswith("compacted-")
        or (file.base_name.startswith("stream-") and _numbered(file.base_name)[1] in sure[_numbered(file.base_name)[0]])
    ]
    return sorted(small, key=lambda file: (file.size, file.base_name))


def _numbered(file: str) -> tuple[str, int]:
    shard, _, number = PurePosixPath(file).stem.rpartition("-")
    return shard, int(number)
