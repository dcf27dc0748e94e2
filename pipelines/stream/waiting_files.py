"""Files of events that wait for long, in the recovery folder of one part of a view.

A file is written once, whole, and never changed. A snapshot names those that hold what waits; what a snapshot does not name is
not there: a kill between a file and the snapshot after it loses nothing and doubles nothing, since the events come again.
"""

from __future__ import annotations

import os
import shutil
from collections import deque
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from pipelines.semantics.panes.live import EVER
from pipelines.stream.pages import KEPT, MissingPagesError
from workspace.files import replacing


@dataclass(frozen=True, slots=True)
class WaitingFile:
    """One file of events: plain data, safe to pickle.

    Attributes:
        folder: The name of its folder, that of the part that wrote it.
        name: Its own name.
        span: Which stretch of time its events are of.
        events: How many it holds.
        taken: The time, microseconds, up to the end of whose minute its events have been taken.
    """

    folder: str
    name: str
    span: int
    events: int
    taken: int = EVER


class WaitingFiles:
    """The files of one part of a view."""

    def __init__(self, folder: Path, named: Collection[WaitingFile]) -> None:
        """Go on from the files that a snapshot names, some perhaps of an earlier part's folder; remove what else is in the own one.

        Raises:
            MissingPagesError: A file is not there.
        """
        self._folder = folder
        ours = {file.name for file in named if file.folder == folder.name}
        for path in folder.glob("*.waiting*"):
            if path.name not in ours:
                path.unlink(missing_ok=True)
        for file in named:
            if not self._path(file).is_file():
                raise MissingPagesError(f"{self._path(file)}: gone, and events with it; start the stream with FRESH=1.")
        self._number = max((int(name.partition(".")[0]) for name in ours), default=0)
        self._gone: deque[tuple[int, WaitingFile]] = deque()
        self._saves = 0

    def write(self, events: pa.Table, span: int) -> WaitingFile:
        """Write a file.

        Raises:
            OSError: The disk is full or away; nothing has changed, and it may be tried again.
        """
        file = WaitingFile(self._folder.name, f"{self._number + 1:012}.waiting", span, len(events))
        options = pa.ipc.IpcWriteOptions(compression="zstd", unify_dictionaries=True)
        with (
            replacing(self._path(file)) as unfinished,
            pa.OSFile(str(unfinished), "wb") as sink,
            pa.ipc.new_file(sink, events.schema, options=options) as writer,
        ):
            writer.write_table(events)
        self._number += 1
        return file

    def read(self, file: WaitingFile) -> pa.Table:
        """Return the events of a file."""
        with pa.OSFile(str(self._path(file))) as source:
            return pa.ipc.open_file(source).read_all()

    def own(self, file: WaitingFile) -> WaitingFile:
        """Return the same file in the own folder, since an earlier part's is removed when the shards change again.

        Raises:
            OSError: As in `write`.
        """
        if file.folder == self._folder.name:
            return file
        mine = replace(file, folder=self._folder.name, name=f"{self._number + 1:012}.waiting")
        with replacing(self._path(mine)) as unfinished:
            try:
                os.link(self._path(file), unfinished)
            except OSError:  # a disk without links; where it is full, the copy says so
                shutil.copyfile(self._path(file), unfinished)
        self._number += 1
        return mine

    def forget(self, files: Collection[WaitingFile]) -> None:
        """Note a save that does not name these any more; they stay for as many saves as pages do."""
        self._saves += 1
        self._gone += [(self._saves + KEPT, file) for file in files if file.folder == self._folder.name]
        while self._gone and self._gone[0][0] <= self._saves:
            with suppress(OSError):  # the next start removes it
                self._path(self._gone.popleft()[1]).unlink(missing_ok=True)

    def _path(self, file: WaitingFile) -> Path:
        return self._folder.parent / file.folder / file.name
