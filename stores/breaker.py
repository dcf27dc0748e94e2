"""Leaves a store alone for a while after it failed several times in a row, so that nobody waits for it meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

FAILURES: Final = 3
"""How many failures in a row open a breaker."""

OPEN_S: Final = 1.0
"""How long it stays open, seconds."""


@dataclass(frozen=True, slots=True)
class BreakerStats:
    """What a breaker did since it was made.

    Attributes:
        state: `closed`: calls go through. `open`: none does. `half_open`: one may try whether all is well again.
        failures: Calls that failed.
        opened: How often it opened.
        refused: Calls that it did not let through.
    """

    state: Literal["closed", "open", "half_open"]
    failures: int
    opened: int
    refused: int


class CircuitBreaker:
    """Counts failures in a row; at the limit no call goes through for a while, and then one at a time until one is well.

    Thread-safe. A call that was let through and never reports holds the next one back for `open_s` at most.

    Args:
        failures: How many in a row open it.
        open_s: How long it stays open, seconds.
        clock: Monotonic seconds.
    """

    def __init__(
        self, failures: int = FAILURES, open_s: float = OPEN_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit = failures
        self._open_s = open_s
        self._clock = clock
        self._lock = threading.Lock()
        self._in_row = 0
        self._until = float("-inf")
        self._reason = ""
        self._trying = False
        self._failures = self._opened = self._refused = 0

    @property
    def reason(self) -> str:
        """What the last failure was."""
        return self._reason

    def allow(self) -> bool:
        """Say whether a call may go through; who is let through says afterwards how it went."""
        if self._in_row < self._limit:  # closed, as nearly always: no lock
            return True
        with self._lock:
            now = self._clock()
            if self._in_row >= self._limit and now < self._until:
                self._refused += 1
                return False
            self._until = now + self._open_s  # others wait for this one
            self._trying = True
            return True

    def succeed(self) -> None:
        """Say that a call went well."""
        if self._in_row:
            with self._lock:
                self._in_row, self._trying = 0, False

    def fail(self, reason: object = "") -> None:
        """Say that a call failed, and why."""
        with self._lock:
            was_open = self._in_row >= self._limit
            self._failures += 1
            self._in_row += 1
            self._reason = str(reason)
            if self._in_row >= self._limit and (self._trying or not was_open):  # not for calls that were under way
                self._until = self._clock() + self._open_s
                self._opened += 1
                self._trying = False

    def stats(self) -> BreakerStats:
        """Return what it did, and its state."""
        with self._lock:
            state: Literal["closed", "open", "half_open"] = "closed"
            if self._in_row >= self._limit:
                state = "open" if self._clock() < self._until else "half_open"
            return BreakerStats(state, self._failures, self._opened, self._refused)
