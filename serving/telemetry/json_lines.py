"""Logs as lines of JSON: what is logged anywhere in a replica, and each request that it answered.

Requests are noted on the hot path and written by a thread about once a second; a replica that is killed loses the last second of
them. The file of a replica is `logs/replica-<process>.jsonl` in the data folder; it begins anew at 20 MB, three old ones stay.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections import deque
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, Final

import orjson

EVERY_S: Final = 1.0
MOST_WAITING: Final = 100_000
"""Requests that may wait to be written; beyond, the oldest are lost and counted."""

FILE_BYTES: Final = 20_000_000
OLD_FILES: Final = 3

_KNOWN: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonFormatter(logging.Formatter):
    """Writes a record as one object: time, level, event, logger, and every field given by `extra`."""

    def format(self, record: logging.LogRecord) -> str:
        """Return one line."""
        line: dict[str, Any] = {
            "time": _iso(record.created),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            "logger": record.name,
        }
        line |= {name: value for name, value in vars(record).items() if name not in _KNOWN}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()


class JsonLog:
    """The file of this process.

    Args:
        data: The workspace's data folder.

    Attributes:
        path: The file.
        lost: Requests that were not written, since too many waited.
    """

    def __init__(self, data: Path) -> None:
        self.path = data / "logs" / f"replica-{os.getpid()}.jsonl"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.handler = RotatingFileHandler(self.path, maxBytes=FILE_BYTES, backupCount=OLD_FILES, delay=True)
        self.handler.setFormatter(JsonFormatter())
        self.lost = 0
        self._waiting: deque[tuple[float, str, str, int, float, bytes, str | None]] = deque()
        self._ended = threading.Event()

    def start(self) -> None:
        """Take what is logged in this process from now on, and write requests from a thread of its own."""
        root = logging.getLogger()
        root.addHandler(self.handler)
        root.setLevel(min(root.level or logging.WARNING, logging.INFO))
        threading.Thread(target=self._run, name="json-log", daemon=True).start()
        logging.getLogger(__name__).info("replica began", extra={"pid": os.getpid()})

    def stop(self) -> None:
        """Write what waits."""
        self._ended.set()
        self.flush()
        logging.getLogger().removeHandler(self.handler)
        self.handler.close()

    def request(
        self, method: str, route: str, status: int, seconds: float, request_id: bytes, trace_id: str | None
    ) -> None:
        """Note a request that was answered."""
        if len(self._waiting) >= MOST_WAITING:
            self._waiting.popleft()
            self.lost += 1
        self._waiting.append((time.time(), method, route, status, seconds, request_id, trace_id))

    def flush(self) -> None:
        """Write the requests that wait."""
        while self._waiting:
            at, method, route, status, seconds, request_id, trace_id = self._waiting.popleft()
            level = logging.ERROR if status >= 500 else logging.INFO
            fields = {"method": method, "route": route, "status": status, "duration_ms": round(seconds * 1000, 3)}
            fields |= {"request_id": request_id.decode()} | ({"trace_id": trace_id} if trace_id else {})
            told = {"name": "serving.request", "levelno": level, "levelname": logging.getLevelName(level)}
            self.handler.emit(logging.makeLogRecord({**told, "msg": "request", "created": at, **fields}))

    def _run(self) -> None:
        while not self._ended.wait(EVERY_S):
            self.flush()


def _iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
