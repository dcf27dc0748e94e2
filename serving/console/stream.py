"""How the stream is that fills the online store: how far each view is, what a restart goes on from, what was rejected."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from serving.scoring.scorer import iso_timestamp
from stores.online import OnlineStoreUnavailable, Progress, ViewProgress


class StreamHealth:
    """Tells of a workspace's stream.

    Args:
        data: The workspace's data folder; where the stream runs on another machine, it says nothing of it.
        read_progress: Reads how far the stream is.
    """

    def __init__(self, data: Path, read_progress: Callable[[], Progress]) -> None:
        self._data = data
        self._read_progress = read_progress
        self._letters: dict[Path, tuple[int, int]] = {}

    def tell(self) -> dict[str, Any]:
        """Return all of it as JSON can hold it; what does not answer is among the troubles."""
        now, troubles, progress = time.time(), [], Progress()
        try:
            progress = self._read_progress()
        except OnlineStoreUnavailable as error:
            troubles.append(str(error))
        logs = self._logs()
        names = sorted({*progress.views, *logs})
        return {
            "at": iso_timestamp(int(now * 1e6)),
            "complete": _time(progress.complete),
            "behind_seconds": _behind(progress.complete, now),
            "views": [{"view": name, "log": logs.get(name), **_view(progress.views.get(name), now)} for name in names],
            "snapshots": self._snapshots(now),
            "dead_letters": self._dead_letters(now),
            "troubles": troubles,
        }

    def _logs(self) -> dict[str, dict[str, str]]:
        """Return the first and last day of each feature log."""
        found = {}
        for folder in self._data.glob("log/[!.]*"):
            days = sorted(day.name.removeprefix("date=") for day in folder.glob("date=*"))
            if days:
                found[folder.name] = {"first": days[0], "last": days[-1]}
        return found

    def _snapshots(self, now: float) -> dict[str, Any] | None:
        files = [file.stat() for file in (self._data / "recovery").rglob("*") if file.is_file()]
        if not files:
            return None
        return {"bytes": sum(one.st_size for one in files), "age_seconds": now - max(one.st_mtime for one in files)}

    def _dead_letters(self, now: float) -> dict[str, Any] | None:
        """Count the lines of the dead-letter log, reading only what was added since the last time."""
        latest = None
        for file in self._data.glob("dead_letters/*.jsonl"):
            size, lines = self._letters.get(file, (0, 0))
            told = file.stat()
            if told.st_size < size:
                size, lines = 0, 0
            with file.open("rb") as letters:
                letters.seek(size)
                new = letters.read(told.st_size - size)
            self._letters[file] = size + len(new), lines + new.count(b"\n")
            latest = max(latest or 0.0, told.st_mtime)
        count = sum(lines for _, lines in self._letters.values())
        return {"count": count, "age_seconds": None if latest is None or not count else now - latest}


def _view(view: ViewProgress | None, now: float) -> dict[str, Any]:
    if view is None:
        return {"streamed": False}
    return {
        "streamed": True,
        "shards": view.shards,
        "complete": _time(view.complete),
        "furthest": _time(view.furthest),
        "behind_seconds": _behind(view.complete, now),
        "events": view.events,
        "rows": view.rows,
        "held": dict(view.held),
    }


def _time(us: int | None) -> str | None:
    return iso_timestamp(us) if us else None


def _behind(us: int | None, now: float) -> float | None:
    return now - us / 1e6 if us else None
