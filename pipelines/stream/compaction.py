"""Makes few files of the many that a stream lands in a day of the lake.

The new file is written whole and says in its metadata which files it replaces. These go in a later run, once the new one is
older than a reader's patience: whoever listed them can still read them. Until then both are there, and an event counts once
however often it lies there (rule 6). A kill at any point leaves at worst both.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import fs

from workspace.addresses import inside, list_files, lock_of, open_address, whole_file
from workspace.one_at_a_time import one_at_a_time

LARGEST: Final = 64 << 20
"""Bytes of the files that are joined into one, and of a file that is left as it is."""

GRACE: Final = 3600.0
"""Seconds that a replaced file stays."""

_REPLACES: Final = b"millrace.replaces"
_OURS: Final = ("stream-*.parquet", "compacted-*.parquet")  # what others put there is theirs


@dataclass(frozen=True, slots=True)
class Compacted:
    """What became of one day.

    Attributes:
        joined: Files that were joined.
        made: Files made of them.
        rows: Rows in these.
        removed: Files removed that an earlier run had replaced.
        left: Files that were replaced and are still there.
    """

    joined: int = 0
    made: int = 0
    rows: int = 0
    removed: int = 0
    left: int = field(default=0, compare=False)

    def __add__(self, other: Compacted) -> Compacted:
        """Return both together."""
        return Compacted(
            self.joined + other.joined,
            self.made + other.made,
            self.rows + other.rows,
            self.removed + other.removed,
            self.left + other.left,
        )


def compact_day(
    folder: str | Path, timestamp: str, now: float, grace: float = GRACE, largest: int = LARGEST
) -> Compacted:
    """Join the small files of one day, and remove what was replaced long enough ago. A second call changes nothing.

    Args:
        folder: The address of the day's folder.
        timestamp: The event time column, by which the rows of a new file are ordered.
        now: The clock that file times are by, seconds.
        grace: Seconds that a replaced file stays.
        largest: Bytes from which on a file is left as it is.
    """
    removed = 0
    replaced: set[str] = set()
    there = {file.base_name: file for file in list_files(folder)}
    for file in sorted((one for one in there.values() if fnmatch(one.base_name, "compacted-*.parquet")), key=changed):
        names = replaced_by(folder, file.base_name)
        replaced |= names
        if now - changed(file) >= grace:
            for name in names & there.keys():
                open_address(folder)[0].delete_file(there.pop(name).path)
                removed += 1
    small = sorted(
        (
            file
            for name, file in there.items()
            if any(fnmatch(name, kind) for kind in _OURS) and name not in replaced and file.size < largest
        ),
        key=lambda file: (file.size, file.base_name),
    )
    done = Compacted(removed=removed, left=len(replaced & there.keys()))
    for group in group_files(small, largest):
        rows = join_files(group, folder, folder, timestamp)
        done += Compacted(len(group), 1, rows, left=len(group))
    return done


def changed(file: fs.FileInfo) -> float:
    """Return when a file was last changed, seconds."""
    return file.mtime_ns / 1e9 if file.mtime_ns is not None else float("inf")


def compacting(lake: str | Path) -> AbstractContextManager[None]:
    """Hold a lake table or a feature log while it is compacted: one at a time; readers and the stream go on.

    One that is far away is held against processes of the same user on the same machine.

    Raises:
        HeldError: Somebody else compacts it.
    """
    return one_at_a_time(lock_of(lake, ".compacting"), f"{lake} is being compacted")


def joined_name(files: Sequence[fs.FileInfo]) -> str:
    """Return what the file is called that these are joined into."""
    names = "\n".join(sorted(file.base_name for file in files))
    return f"compacted-{hashlib.sha256(names.encode()).hexdigest()[:32]}.parquet"


def group_files(files: Sequence[fs.FileInfo], largest: int) -> Iterator[list[fs.FileInfo]]:
    """Yield files that together are about as large as one may be; a file alone stays as it is."""
    group: list[fs.FileInfo] = []
    size = 0
    for file in files:
        if group and size + file.size > largest:
            if len(group) > 1:
                yield group
            group, size = [], 0
        group.append(file)
        size += file.size
    if len(group) > 1:
        yield group


def join_files(files: Sequence[fs.FileInfo], folder: str | Path, target: str | Path, timestamp: str) -> int:
    """Write the rows of a folder's files as one into another, in the order of a time column, and return how many there are."""
    system = open_address(folder)[0]
    # The columns of a topic may have grown in the middle of the day.
    tables = [pq.ParquetFile(file.path, filesystem=system).read() for file in files]
    joined = pa.concat_tables(tables, promote_options="permissive").sort_by(timestamp)
    joined = joined.replace_schema_metadata({_REPLACES: json.dumps(sorted(file.base_name for file in files))})
    with whole_file(inside(target, joined_name(files))) as unfinished:
        pq.write_table(joined, unfinished, compression="zstd")
    return len(joined)


def replaced_by(folder: str | Path, name: str) -> set[str]:
    """Return the names of the files that a joined one was made of."""
    system, path = open_address(folder)
    metadata = pq.read_metadata(f"{path}/{name}", filesystem=system).metadata or {}
    return set(json.loads(metadata.get(_REPLACES, b"[]")))
