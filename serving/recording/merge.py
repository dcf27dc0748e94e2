"""Makes few files of the many that one writer flushes in a day: every 32 become one, every 32 of those again.

The small files stay for a while, since a reader may have listed them; `recorded_files` passes over them. All runs in the
writer's own thread.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from contract.records import RecordedFile
from workspace.files import replacing

WIDTH: Final = 32
"""How many files become one."""

MOST_ROWS: Final = 2_000_000
"""A file of more rows is merged no further."""

GROUP_ROWS: Final = 65_536
"""Fewest rows of a row group in a merged file, but for its last."""

KEEP_S: Final = 60.0
"""How long files that were merged stay for readers who have listed them, seconds."""

_log = logging.getLogger(__name__)


class MergedDay:
    """The files of one writer and day.

    Args:
        folder: The day's folder.
        clock: Monotonic seconds.
    """

    def __init__(self, folder: Path, clock: Callable[[], float] = time.monotonic) -> None:
        self._folder = folder
        self._clock = clock
        self._levels: list[list[tuple[RecordedFile, int]]] = [[]]
        self._covered: list[tuple[float, RecordedFile]] = []

    def add(self, file: RecordedFile, rows: int) -> None:
        """Note a new file, and merge where there are enough; what cannot be merged stays as it is."""
        self._levels[0].append((file, rows))
        try:
            self._merge()
            self._remove(self._clock() - KEEP_S)
        except (OSError, pa.ArrowException):
            _log.exception("files of %s could not be merged and stay as they are", self._folder)
            self._levels = [[]]

    def close(self) -> None:
        """Remove what was merged, without waiting for its time."""
        self._remove(float("inf"))

    def _merge(self) -> None:
        for height, level in enumerate(self._levels):
            if len(level) < WIDTH or sum(rows for _, rows in level) > MOST_ROWS:
                continue
            files = [file for file, _ in level]
            merged = RecordedFile(files[0].writer, files[0].first, files[-1].last)
            merge_files([self._folder / one.name for one in files], self._folder / merged.name)
            self._covered += [(self._clock(), one) for one in files]
            if height + 1 == len(self._levels):
                self._levels.append([])
            self._levels[height + 1].append((merged, sum(rows for _, rows in level)))
            level.clear()

    def _remove(self, merged_before: float) -> None:
        for at, file in self._covered:
            if at <= merged_before:
                (self._folder / file.name).unlink(missing_ok=True)
        self._covered = [one for one in self._covered if one[0] > merged_before]


def merge_files(files: list[Path], target: Path) -> None:
    """Write the rows of several files of one schema into one, in order, and a few row groups."""
    schema = pq.read_schema(files[0])
    with replacing(target) as unfinished, pq.ParquetWriter(unfinished, schema, compression="zstd") as writer:
        gathered: list[pa.Table] = []
        for path in files:
            gathered.append(pq.read_table(path, schema=schema))
            if sum(one.num_rows for one in gathered) >= GROUP_ROWS:
                writer.write_table(pa.concat_tables(gathered))
                gathered = []
        if gathered:
            writer.write_table(pa.concat_tables(gathered))
