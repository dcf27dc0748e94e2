"""Files by which the replicas of a machine know each other's numbers: each writes its own, whole, about once a second.

A replica that dies leaves its file: what it counted still counts, or sums would fall. The next one that starts folds the
files of the dead into one.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import orjson

from serving.metrics.counts import Counts
from workspace.files import write_whole

ALIVE_S: Final = 15.0
"""A replica that has written nothing for so long is dead, whoever has its process number now; seconds."""

DEAD: Final = "dead.json"


class Shared:
    """The folder of the replicas' files."""

    def __init__(self, folder: Path) -> None:
        """Note the folder; it is made with the first file."""
        self._folder = folder

    def write(self, mine: dict[str, Any]) -> None:
        """Put this process's numbers there: `Counts.dump`, and what else is of use."""
        write_whole(self._folder / f"{os.getpid()}.json", orjson.dumps({**mine, "at": time.time()}))

    def forget(self) -> None:
        """Say that this process ends in order: it counts as dead from now on."""
        path = self._folder / f"{os.getpid()}.json"
        if path.exists():
            write_whole(path, orjson.dumps({**orjson.loads(path.read_bytes()), "at": 0.0}))

    def read(self) -> list[tuple[dict[str, Any], bool]]:
        """Return what each process wrote last, and whether it lives."""
        with self._locked(fcntl.LOCK_SH):
            return [self._read(path) for path in sorted(self._folder.glob("[!.]*.json"))]

    def sum(self) -> Counts:
        """Return the numbers of all."""
        counts = Counts()
        for dumped, alive in self.read():
            counts.load(dumped, alive=alive)
        return counts

    def fold(self) -> None:
        """Make one file of those of the dead."""
        with self._locked(fcntl.LOCK_EX):
            counts, dead = Counts(), []
            for path in self._folder.glob("[!.]*.json"):
                dumped, alive = self._read(path)
                if not alive:
                    counts.load(dumped, alive=False)
                    dead.append(path)
            if dead:
                write_whole(self._folder / DEAD, orjson.dumps({**counts.dump(), "at": 0.0}))
            for path in dead:
                if path.name != DEAD:
                    path.unlink()

    @staticmethod
    def _read(path: Path) -> tuple[dict[str, Any], bool]:
        dumped: dict[str, Any] = orjson.loads(path.read_bytes())
        return dumped, time.time() - dumped["at"] < ALIVE_S and _lives(path.stem)

    @contextmanager
    def _locked(self, how: int) -> Iterator[None]:
        """Hold the folder's lock, so that nobody reads while files are folded; writers need none."""
        self._folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(self._folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, how)
            yield
        finally:
            os.close(lock)


def _lives(pid: str) -> bool:
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return False
    except (ValueError, PermissionError):
        return pid.isdigit()
    return True
