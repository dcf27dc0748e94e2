"""Waits for what can come back: a broker that is away, a disk that is full. Says so once, and once when it is over."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

FIRST: Final = 0.05
LONGEST: Final = 1.0
"""Seconds between two tries: from one to the other, doubled each time. What is back is noticed within the longest."""


def say(text: str) -> None:
    """Print a line at once, where the stream prints."""
    print(text, flush=True)


@dataclass(slots=True)
class Outage:
    """One thing that may be away, such as a broker, for all partitions that use it in this process.

    Attributes:
        what: What it is, as it is told.
        say: Tells a line.
        clock: Seconds, of a clock that never goes back.
    """

    what: str
    say: Callable[[str], None] = say
    clock: Callable[[], float] = time.monotonic
    _since: float | None = None
    _tries: dict[object, int] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def failed(self, error: object, user: object = None) -> float:
        """Note that it failed for one of its users, and return after how many seconds to try again."""
        with self._lock:
            if self._since is None:
                self._since = self.clock()
                self.say(f"{self.what}: {error} Waiting until it is back.")
            tries = self._tries[user] = self._tries.get(user, 0) + 1
        return min(FIRST * 2 ** min(tries - 1, 30), LONGEST)

    def worked(self, user: object = None) -> None:
        """Note that it works for one of its users."""
        if self._since is None:
            return
        with self._lock:
            if self._since is not None:
                self.say(f"{self.what}: back after {self.clock() - self._since:.1f} s.")
            self._since = None
            self._tries.clear()


def persist(outage: Outage, act: Callable[[], None], sleep: Callable[[float], None] = time.sleep) -> None:
    """Do something until it works; what fails with an OSError is tried again, as long as it takes."""
    while True:
        try:
            act()
        except OSError as error:
            sleep(outage.failed(f"{error}."))
        else:
            outage.worked()
            return
