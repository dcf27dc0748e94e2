"""Replaces days of a feature log whole or not at all, also where files have no rename (S3).

A job writes its files to a staging folder inside the log. Then one file there, `commit.json`, says which files of which days
go and which come: it appears in one step, and from then on the new days hold, for readers look there first. Putting the files
into their places comes after that, and can be done again from the start: after a kill, whoever writes next does it.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from typing import Final

from pyarrow import fs

from workspace.addresses import WHOLE, inside, is_local, list_files, lock_of, names_below, open_address, whole_file

STAGING: Final = ".staging-"
COMPACTED: Final = f"{STAGING}compacted-"
"""What the staging folders of a compaction begin with, which looks after them itself."""
COMMIT: Final = "commit.json"
TRIES: Final = 5  # a commit that was listed may be done with before it is read


@dataclass(frozen=True, slots=True)
class DayCommit:
    """What becomes of one day.

    Attributes:
        come: Files that come, by their names in the staging folder, which they keep.
        go: Names of the files that go.
    """

    come: tuple[str, ...]
    go: tuple[str, ...]


def day_folder(date: str) -> str:
    """Return the name of a day's folder."""
    return f"date={date}"


def held_files(log: str) -> dict[str, tuple[str, ...]]:
    """Return the files that a log consists of now: where each is, and its names from the log down to it.

    Raises:
        AddressError: The log's address cannot be read.
    """
    for _ in range(TRIES):
        with suppress(FileNotFoundError):
            return _held_files(log)
    return _held_files(log)


def commit_days(log: str, staging: str, days: Mapping[str, DayCommit]) -> None:
    """Let staged files take the place of those of their days: all, or, where this is killed, none or all."""
    write_commit(staging, days)
    settle(log)


def write_commit(staging: str, days: Mapping[str, DayCommit]) -> None:
    """Let staged files hold instead of those of their days, which stay where they are until somebody settles the log."""
    record = {date: {"come": day.come, "go": day.go} for date, day in days.items()}
    with whole_file(inside(staging, COMMIT)) as file:
        file.write(json.dumps(record).encode())


@contextmanager
def choosing(log: str) -> Iterator[None]:
    """Hold a log while somebody looks which files it has and says what becomes of them; a moment.

    One that is far away is held against processes of the same user on the same machine; `_holds` is for the others.
    """
    local = is_local(log)
    lock = os.open(
        open_address(log)[1] if local else lock_of(log, ".choosing"), os.O_RDONLY | (0 if local else os.O_CREAT)
    )
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def settle(log: str) -> None:
    """Put the files of what has been committed into their places; a second call, or one beside it, changes nothing."""
    system, folder = open_address(log)
    there = _all_files(log)
    for path, staging in _commits(there):
        with suppress(FileNotFoundError):  # somebody else has done it meanwhile
            for date, day in _read_commit(system, path).items():
                target = f"{folder}/{day_folder(date)}"
                if _holds(staging, target, day, there):
                    _settle_day(system, f"{folder}/{staging}", target, day, there)
            system.delete_dir(f"{folder}/{staging}")


def settle_compacted(log: str, staging: str) -> int:
    """Put the files of one compaction into their day, whose staging folder stays; return how many it replaced there."""
    system, folder = open_address(log)
    there = _all_files(log)
    before = len(there)
    for date, day in _read_commit(system, f"{folder}/{staging}/{COMMIT}").items():
        target = f"{folder}/{day_folder(date)}"
        if _holds(staging, target, day, there):
            _settle_day(system, f"{folder}/{staging}", target, day, there, keep=True)
    return before - len(there)


def _commits(there: Mapping[str, tuple[str, ...]]) -> list[tuple[str, str]]:
    """Return the commits, each with its staging folder; those of compactions last."""
    found = [(path, names[0]) for path, names in there.items() if names[-1] == COMMIT and names[0].startswith(STAGING)]
    return sorted(found, key=lambda one: one[1].startswith(COMPACTED))


def _holds(staging: str, target: str, day: DayCommit, held: Container[str]) -> bool:
    """Say whether a commit counts: that of a compaction only while all that it joined, or what it made, is in its day.

    Otherwise a job has replaced the day, which on another machine nobody kept from doing so.
    """
    if not staging.startswith(COMPACTED):
        return True
    return any(all(f"{target}/{name}" in held for name in names) for names in (day.come, day.go))


def _settle_day(
    system: fs.FileSystem,
    staged: str,
    target: str,
    day: DayCommit,
    there: dict[str, tuple[str, ...]],
    keep: bool = False,
) -> None:
    # A file that is copied stays where it was until all are in place: whoever has listed it can still read it.
    put = partial(_put_and_keep, system) if keep else system.copy_file if system.type_name in WHOLE else system.move
    if day.come and system.type_name not in WHOLE:
        system.create_dir(target, recursive=True)
    for name in day.come:
        if f"{target}/{name}" not in there and f"{staged}/{name}" in there:
            put(f"{staged}/{name}", f"{target}/{name}")
    for name in day.go:
        if there.pop(f"{target}/{name}", None):
            with suppress(FileNotFoundError):
                system.delete_file(f"{target}/{name}")
    if day.go and not day.come and not _has_files(system, target):
        system.delete_dir(target)


def _put_and_keep(system: fs.FileSystem, source: str, target: str) -> None:
    """Put a file into another place as well; it is there whole or not at all."""
    if isinstance(system, fs.LocalFileSystem):
        os.link(source, target)
    elif system.type_name in WHOLE:
        system.copy_file(source, target)
    else:
        hidden = str(PurePosixPath(target).with_name(f".{PurePosixPath(target).name}"))
        system.copy_file(source, hidden)
        system.move(hidden, target)


def _held_files(log: str) -> dict[str, tuple[str, ...]]:
    system, folder = open_address(log)
    there = _all_files(log)
    held = {path: names for path, names in there.items() if _is_data(names)}
    for commit, staging in _commits(there):
        for date, day in _read_commit(system, commit).items():
            target = f"{folder}/{day_folder(date)}"
            if not _holds(staging, target, day, held):
                continue
            for name in day.go:
                held.pop(f"{target}/{name}", None)
            for name in day.come:
                staged = str(PurePosixPath(commit).with_name(name))
                if f"{target}/{name}" not in held and staged in there:
                    held[staged] = (day_folder(date), name)
    return dict(sorted(held.items(), key=lambda one: one[1]))


def _all_files(log: str) -> dict[str, tuple[str, ...]]:
    folder = open_address(log)[1]
    return {one.path: names_below(folder, one.path) for one in list_files(log)}


def _is_data(names: Sequence[str]) -> bool:
    return names[-1].endswith(".parquet") and not any(name.startswith((".", "_")) for name in names)


def _has_files(system: fs.FileSystem, folder: str) -> bool:
    found = system.get_file_info(fs.FileSelector(folder, allow_not_found=True))
    return any(one.type == fs.FileType.File for one in found)


def _read_commit(system: fs.FileSystem, path: str) -> dict[str, DayCommit]:
    with system.open_input_file(path) as file:
        record = json.loads(file.read())
    return {date: DayCommit(tuple(day["come"]), tuple(day["go"])) for date, day in record.items()}
