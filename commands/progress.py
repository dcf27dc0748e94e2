"""Shows what a long step has done and what is left: a line for each part that is done, and what is under way in a console."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final, TextIO

RENEWED_S: Final = 0.5
WIDTH: Final = 118  # a line that is longer than the screen could not be written over


class Progress:
    """Tells of the parts of a step.

    What is under way is one line that is written over; where nobody watches (a file, a pipe), only parts that are done are
    told.
    """

    def __init__(self, parts: int, out: TextIO | None = None) -> None:
        """Start with nothing done.

        Args:
            parts: How many parts there are.
            out: Where to tell; None for standard output.
        """
        self._out = out or sys.stdout
        self._watched = self._out.isatty()
        self._parts, self._done, self._stage = parts, 0, ""
        self._lock = threading.Lock()
        self._began = time.monotonic()

    def finish(self, name: str, rows: int, seconds: float | None = None, days: int | None = None) -> None:
        """Tell that a part is done, and how many are left."""
        with self._lock:
            self._done += 1
            line = f"  {name:24} {rows:>11,} rows"
            line += f"  {days:4} days" if days is not None else ""
            line += f"  {seconds:6.1f} s" if seconds is not None else ""
            line += f"  ({self._parts - self._done} to go)" if self._done < self._parts else ""
            self._erase()
            self._out.write(line + "\n")
            self._out.flush()

    def now(self, stage: str) -> None:
        """Note what is under way, and tell it where somebody watches."""
        self._stage = stage
        self._paint("")

    @contextmanager
    def watching(self, look: Callable[[], str]) -> Iterator[Progress]:
        """Tell twice a second what `look` sees, as long as the block runs; it is not asked where nobody watches."""
        if not self._watched:
            yield self
            return
        ended = threading.Event()
        thread = threading.Thread(target=self._watch, args=(look, ended), daemon=True)
        thread.start()
        try:
            yield self
        finally:
            ended.set()
            thread.join()
            with self._lock:
                self._erase()
                self._out.flush()

    def _watch(self, look: Callable[[], str], ended: threading.Event) -> None:
        while not ended.wait(RENEWED_S):
            try:
                seen = look()
            except Exception:  # it looks at what others are just making: what is gone in the next moment is no fault
                continue
            self._paint(seen)

    def _paint(self, seen: str) -> None:
        if self._watched:
            with self._lock:
                told = [f"{time.monotonic() - self._began:4.0f} s", self._stage, seen]
                told.append(f"{self._done} of {self._parts} done")
                self._erase()
                self._out.write(("  " + "  ·  ".join(filter(None, told)))[:WIDTH])
                self._out.flush()

    def _erase(self) -> None:
        if self._watched:
            self._out.write("\r\x1b[K")
