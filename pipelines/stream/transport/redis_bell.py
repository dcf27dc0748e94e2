"""Says of idle partitions when there is something to read: one blocking read for all of them, in a thread of its own.

Bytewax asks a partition again and again; asking Redis each time, two hundred times a second and partition, keeps a core busy
for nothing. What is not waited for yet counts as news, so no entry is found later than by asking.
"""

from __future__ import annotations

import threading
import time
from typing import Any, Final

import redis

from pipelines.stream.transport.redis_client import client_of

BLOCK_MS: Final = 100
"""How long a blocking read lasts at most: after that, partitions that became idle meanwhile are waited for as well."""

AWAY_SECONDS: Final = 0.25


class Bell:
    """The idle streams of one server."""

    def __init__(self, url: str) -> None:
        """Note the server; the thread starts with the first stream that is idle."""
        self._url = url
        self._changed = threading.Condition()
        self._idle: dict[bytes, str] = {}
        self._armed: dict[bytes, str] = {}
        self._thread: threading.Thread | None = None

    def has_news(self, stream: bytes, offset: str) -> bool:
        """Say whether there may be entries after an offset; a stream that is asked about is idle from now on."""
        if self._armed.get(stream) == offset:
            return False
        with self._changed:
            if self._idle.get(stream) != offset:
                self._idle[stream] = offset
                self._changed.notify()
            if self._thread is None:
                self._thread = threading.Thread(target=self._listen, name="broker-bell", daemon=True)
                self._thread.start()
        return True

    def _listen(self) -> None:
        client: Any = client_of(self._url)
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._idle)
                waited = dict(self._idle)
            self._armed = dict(waited)
            try:
                found = client.xread(waited, count=1, block=BLOCK_MS)
                rung = [name for name, _ in found or []]
            except (redis.RedisError, OSError):
                rung = list(waited)  # whoever reads finds out what is wrong
                self._armed = {}
                time.sleep(AWAY_SECONDS)
            with self._changed:
                for name in rung:
                    if self._idle.get(name) == waited[name]:
                        del self._idle[name]
                    self._armed.pop(name, None)


_BELLS: dict[str, Bell] = {}


def bell_of(url: str) -> Bell:
    """Return the bell of a server, one a process."""
    return _BELLS.setdefault(url, Bell(url))
