"""Watches whether the online store is still the one that the rows were written to: it may restart empty, or a replica take over.

A stream then stores the newest row of every entity again, so that nothing is missing that it knows.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from pipelines.stream.outage import say

EVERY: Final = 0.5
"""Seconds between two looks."""


class StoreWatch:
    """What the online store of one process is now.

    Attributes:
        current: What tells it from another, as it last said.
    """

    def __init__(self, identify: Callable[[], str], say: Callable[[str], None] = say) -> None:
        """Ask once, now.

        Args:
            identify: Returns what tells the store, with what it holds, from another; fails with an OSError while it is away.
            say: Tells a line.
        """
        self._identify = identify
        self._say = say
        self._lock = threading.Lock()
        self._told = ""
        self._following = False
        self.current = identify()

    def follow(self) -> None:
        """Look again and again, in a thread of its own; a second call does nothing."""
        with self._lock:
            if not self._following:
                self._following = True
                threading.Thread(target=self._follow, name="store-watch", daemon=True).start()

    def look(self) -> None:
        """Look now; a store that is away is the one that it was."""
        try:
            self.current = self._identify()
        except OSError:
            return

    def tell(self, view: str, shard: int, rows: int) -> None:
        """Say that a shard stores all its rows again."""
        with self._lock:
            if self._told != self.current:
                self._told = self.current
                self._say(
                    "online store: it lost its data, restarted, or another took over; what the stream knows is stored again."
                    " Batch views, and entities that had no event since the backfill's windows, `make materialize` brings back."
                )
            self._say(f"online store: {view}, shard {shard}: {rows:,} rows stored again.")

    def _follow(self) -> None:
        while True:
            time.sleep(EVERY)
            self.look()
