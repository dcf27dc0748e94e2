"""Names the files of a record of decisions or outcomes, and finds those that hold it: serving writes them, others read.

```text
<record>/<YYYY-MM-DD>/<writer>-<n>.parquet             what one writer appended in one flush; n counts from 1
<record>/<YYYY-MM-DD>/<writer>-<first>-<last>.parquet  the same rows as its files from first to last, which go later
```

A reader that takes every file of a folder would count rows twice while the small files are still there, so ask `recorded_files`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Final

WRITER: Final = re.compile(r"[A-Za-z0-9_]+")
_FILE = re.compile(r"([A-Za-z0-9_]+)-(\d+)(?:-(\d+))?\.parquet")


@dataclass(frozen=True, slots=True, order=True)
class RecordedFile:
    """A file of a record.

    Attributes:
        writer: Who wrote it.
        first: The number of its first flush.
        last: That of its last one, inclusive.
    """

    writer: str
    first: int
    last: int

    @property
    def name(self) -> str:
        """Return the file's name.

        >>> RecordedFile("r1", 3, 3).name, RecordedFile("r1", 1, 64).name
        ('r1-3.parquet', 'r1-1-64.parquet')
        """
        numbers = f"{self.first}" if self.first == self.last else f"{self.first}-{self.last}"
        return f"{self.writer}-{numbers}.parquet"

    @classmethod
    def parse(cls, name: str) -> RecordedFile | None:
        """Return the file that a name means; None for a name of something else, such as an unfinished file."""
        found = _FILE.fullmatch(name)
        return cls(found[1], int(found[2]), int(found[3] or found[2])) if found else None


def decisions_folder(data: Path, service: str) -> Path:
    """Return where a service's decisions are recorded."""
    return data / "decisions" / service


def outcomes_folder(data: Path, service: str) -> Path:
    """Return where the outcomes of a service's decisions are recorded."""
    return data / "outcomes" / service


def recorded_days(record: Path, since: date | None = None, until: date | None = None) -> list[date]:
    """Return the days of a record, in order; none where there is no record.

    Args:
        record: The record's folder.
        since: The first day, UTC; None for all.
        until: The first day no more; None for all.
    """
    return [at for _, at in _days(record) if (since is None or since <= at) and (until is None or at < until)]


def recorded_files(record: Path, since: date | None = None, until: date | None = None) -> list[Path]:
    """Return the files that together hold each row of a record once, in order; none where there is no record.

    One of them may be gone before it is opened, if it has been merged meanwhile; ask again then.

    Args:
        record: The record's folder.
        since: The first day, UTC; None for all.
        until: The first day no more; None for all.
    """
    return [
        day / one.name
        for day, at in _days(record)
        if (since is None or since <= at) and (until is None or at < until)
        for one in _without_covered(day)
    ]


def _days(record: Path) -> Iterator[tuple[Path, date]]:
    for folder in sorted(record.iterdir()) if record.is_dir() else ():
        try:
            yield folder, date.fromisoformat(folder.name)
        except ValueError:
            continue


def _without_covered(day: Path) -> list[RecordedFile]:
    """Return the files of a day whose rows are in no other: of those that begin alike, the longest, then what goes on from it."""
    found = [one for one in (RecordedFile.parse(path.name) for path in day.iterdir()) if one]
    kept: list[RecordedFile] = []
    for one in sorted(found, key=lambda one: (one.writer, one.first, -one.last)):
        if not kept or kept[-1].writer != one.writer or kept[-1].last < one.first:
            kept.append(one)
    return kept
