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
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from workspace.files import replacing
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


def compact_day(folder: Path, timestamp: str, now: float, grace: float = GRACE, largest: int = LARGEST) -> Compacted:
    """Join the small files of one day, and remove what was replaced long enough ago. A second call changes nothing.

    Args:
        folder: The day's folder.
        timestamp: The event time column, by which the rows of a new file are ordered.
        now: The clock that file times are by, seconds.
        grace: Seconds that a replaced file stays.
        largest: Bytes from which on a file is left as it is.
    """
    removed = 0
    replaced: set[str] = set()
    for file in sorted(folder.glob("compacted-*.parquet"), key=lambda one: one.stat().st_mtime):
        names = replaced_by(file)
        replaced |= names
        if now - file.stat().st_mtime >= grace:
            for name in names:
                removed += _remove(folder / name)
    small = sorted(
        (
            file
            for kind in _OURS
            for file in folder.glob(kind)
            if file.name not in replaced and file.stat().st_size < largest
        ),
        key=lambda file: (file.stat().st_size, file.name),
    )
    done = Compacted(removed=removed, left=sum((folder / name).exists() for name in replaced))
    for group in group_files(small, largest):
        rows = join_files(group, folder, timestamp)
        done += Compacted(len(group), 1, rows, left=len(group))
    return done


def compacting(lake: Path) -> AbstractContextManager[None]:
    """Hold a lake table or a feature log while it is compacted: one at a time; readers and the stream go on.

    Raises:
        HeldError: Somebody else compacts it.
    """
    return one_at_a_time(lake / ".compacting", f"{lake} is being compacted")


def joined_name(files: Sequence[Path]) -> str:
    """Return what the file is called that these are joined into."""
    names = "\n".join(sorted(file.name for file in files))
    return f"compacted-{hashlib.sha256(names.encode()).hexdigest()[:32]}.parquet"


def group_files(files: Sequence[Path], largest: int) -> Iterator[list[Path]]:
    """Yield files that together are about as large as one may be; a file alone stays as it is."""
    group: list[Path] = []
    size = 0
    for file in files:
        if group and size + file.stat().st_size > largest:
            if len(group) > 1:
                yield group
            group, size = [], 0
        group.append(file)
        size += file.stat().st_size
    if len(group) > 1:
        yield group


def join_files(files: Sequence[Path], folder: Path, timestamp: str) -> int:
    """Write the rows of files as one into a folder, in the order of a time column, and return how many there are."""
    # The columns of a topic may have grown in the middle of the day.
    tables = [pq.ParquetFile(file).read() for file in files]
    joined = pa.concat_tables(tables, promote_options="permissive").sort_by(timestamp)
    joined = joined.replace_schema_metadata({_REPLACES: json.dumps(sorted(file.name for file in files))})
    with replacing(folder / joined_name(files)) as unfinished:
        pq.write_table(joined, unfinished, compression="zstd")
    return len(joined)


def replaced_by(file: Path) -> set[str]:
    """Return the names of the files that a joined one was made of."""
    metadata = pq.read_metadata(file).metadata or {}
    return set(json.loads(metadata.get(_REPLACES, b"[]")))


def _remove(file: Path) -> int:
    if not file.exists():
        return 0
    file.unlink(missing_ok=True)
    return 1
