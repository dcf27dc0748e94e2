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
from pathlib import PurePosixPath
from typing import Final

from pyarrow import fs

from workspace.addresses import WHOLE, inside, is_local, list_files, names_below, open_address, whole_file

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
    """Hold a log while somebody looks which files it has and says what becomes of them; a moment. Far away nobody is held."""
    if not is_local(log):
        yield
        return
    lock = os.open(open_address(log)[1], os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def settle(log: str) -> None:
    """Put the files of what has been committed into their places; a second call, or one beside it, changes nothing."""
    system, folder = open_address(log)
    there = _all_files(log)
    for path, names in there.items():
        if names[-1] == COMMIT and names[0].startswith(STAGING):
            with suppress(FileNotFoundError):  # somebody else has done it meanwhile
                for date, day in _read_commit(system, path).items():
                    _settle_day(system, f"{folder}/{names[0]}", f"{folder}/{day_folder(date)}", day, there)
                system.delete_dir(f"{folder}/{names[0]}")


def _settle_day(system: fs.FileSystem, staged: str, target: str, day: DayCommit, there: Container[str]) -> None:
    # A file that is copied stays where it was until all are in place: whoever has listed it can still read it.
    put = system.copy_file if system.type_name in WHOLE else system.move
    if day.come and system.type_name not in WHOLE:
        system.create_dir(target, recursive=True)
    for name in day.come:
        if f"{target}/{name}" not in there and f"{staged}/{name}" in there:
            put(f"{staged}/{name}", f"{target}/{name}")
    for name in day.go:
        if f"{target}/{name}" in there:
            system.delete_file(f"{target}/{name}")
    if day.go and not day.come and not _has_files(system, target):
        system.delete_dir(target)


def _held_files(log: str) -> dict[str, tuple[str, ...]]:
    system, folder = open_address(log)
    there = _all_files(log)
    held = {path: names for path, names in there.items() if _is_data(names)}
    for commit, names in there.items():
        if names[-1] == COMMIT and names[0].startswith(STAGING):
            for date, day in _read_commit(system, commit).items():
                target = f"{folder}/{day_folder(date)}"
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
