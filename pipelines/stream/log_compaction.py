"""Makes few files of the many that a stream writes for a day of a feature log.

A row of a log must be there once, so what is joined takes the place of what it is made of by a commit
(`stores/parquet/log_commit.py`): our readers see the one or the others, never both. The files that are replaced stay where they
are for as long as a reader's patience, and the new one stays where it was committed for as long again: whoever listed either can
still read it. A backfill that replaces the day meanwhile settles the commit first, and replaces what it made.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pipelines.stream.compaction import GRACE, LARGEST, Compacted, group_files, join_files, joined_name, replaced_by
from stores.parquet.log_commit import COMMIT, COMPACTED, DayCommit, choosing, day_folder, held_files, write_commit

TIME: Final = "event_timestamp"

UNSURE: Final = 2
"""Files of a shard, the newest ones, that a stream may still write anew after a kill."""


def compact_log_day(log: Path, day: str, now: float, grace: float = GRACE, largest: int = LARGEST) -> Compacted:
    """Join the small files that a stream wrote for one day of a log. A second call changes nothing.

    A day that was joined is left alone until its commit is done with, two graces later.

    Args:
        log: The log's folder.
        day: The UTC day, `YYYY-MM-DD`.
        now: The clock that file times are by, seconds.
        grace: Seconds that replaced files stay.
        largest: Bytes from which on a file is left as it is.
    """
    done, open_commits = _finish(log, day, now, grace)
    if open_commits:
        return done
    for group in group_files(_small_files(log, day, largest), largest):
        staging = log / f"{COMPACTED}{day}-{joined_name(group).removesuffix('.parquet')}"
        try:
            rows = join_files(group, staging, TIME)
        except FileNotFoundError:  # a backfill is replacing the day
            break
        if _commit(log, day, staging, group):
            done += Compacted(len(group), 1, rows, left=len(group))
        else:  # one has just replaced it
            shutil.rmtree(staging)
    return done


def _finish(log: Path, day: str, now: float, grace: float) -> tuple[Compacted, int]:
    """Go on with what earlier runs committed for a day; return what was removed, and how many commits are still open."""
    done, still_open = Compacted(), 0
    with choosing(str(log)):
        for staging in sorted(log.glob(f"{COMPACTED}{day}-*")):
            commit = staging / COMMIT
            if not commit.exists():  # of a run that was killed: one compacts at a time
                shutil.rmtree(staging)
                continue
            age = now - commit.stat().st_mtime
            removed = _place(log / day_folder(day), staging) if age >= grace else 0
            left = 0
            if age >= 2 * grace:
                shutil.rmtree(staging)
            else:
                still_open, left = still_open + 1, 1
            done += Compacted(removed=removed, left=left)
    return done, still_open


def _place(folder: Path, staging: Path) -> int:
    """Put a joined file into its day, and remove what it was made of; return how many files those were."""
    removed = 0
    for file in staging.glob("compacted-*.parquet"):
        if not (folder / file.name).exists():
            os.link(file, folder / file.name)
        for name in replaced_by(file):
            there = folder / name
            removed += there.exists()
            there.unlink(missing_ok=True)
    return removed


def _commit(log: Path, day: str, staging: Path, group: Sequence[Path]) -> bool:
    """Let the joined file hold instead of those it was made of, if all of these are still part of the log."""
    names = tuple(file.name for file in group)
    with choosing(str(log)):
        held = {path[1] for path in held_files(str(log)).values() if path[0] == day_folder(day) and len(path) == 2}
        if not held.issuperset(names):
            return False
        write_commit(str(staging), {day: DayCommit((joined_name(group),), names)})
        return True


def _small_files(log: Path, day: str, largest: int) -> list[Path]:
    numbers: dict[str, set[int]] = {}
    for file in log.glob("date=*/stream-*.parquet"):
        shard, number = _numbered(file)
        numbers.setdefault(shard, set()).add(number)
    sure = {shard: sorted(some)[:-UNSURE] for shard, some in numbers.items()}
    small = [
        file
        for file in (log / day_folder(day)).glob("*.parquet")
        if file.stat().st_size < largest
        and (
            file.name.startswith("compacted-")
            or (file.name.startswith("stream-") and _numbered(file)[1] in sure[_numbered(file)[0]])
        )
    ]
    return sorted(small, key=lambda file: (file.stat().st_size, file.name))


def _numbered(file: Path) -> tuple[str, int]:
    shard, _, number = file.stem.rpartition("-")
    return shard, int(number)
