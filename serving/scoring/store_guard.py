"""Leaves an online store alone from its first failure until it answers again; asking it is nobody's request's task."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from stores.cells.reading import Reading
from stores.online import OnlineStoreUnavailable, ViewReader

ASK_S: Final = 0.25
"""How often a store that is away is asked whether it is back, seconds."""


@dataclass(frozen=True, slots=True)
class GuardStats:
    """What a guard did since it was made.

    Attributes:
        state: `closed`: reads go through. `open`: none does, for the store did not answer.
        failures: Reads that failed.
        refused: Reads that it did not let through.
    """

    state: str
    failures: int
    refused: int


class StoreGuard:
    """Lets reads through until one fails; then a thread of its own asks the store until it answers.

    Thread-safe.

    Args:
        ping: Asks the store; raises anything while it does not answer.
        ask_s: How often, seconds.
    """

    def __init__(self, ping: Callable[[], None], ask_s: float = ASK_S) -> None:
        """Begin with a store that is taken to be well."""
        self._ping = ping
        self._ask_s = ask_s
        self._lock = threading.Lock()
        self._is_open = False
        self._reason = ""
        self._failures = self._refused = 0

    def check(self) -> None:
        """Let a read through.

        Raises:
            OnlineStoreUnavailable: The store did not answer the last time, and has not since.
        """
        if self._is_open:
            self._refused += 1
            raise OnlineStoreUnavailable(self._reason)

    def fail(self, reason: object) -> None:
        """Say that a read failed, and why."""
        with self._lock:
            self._failures += 1
            self._reason = str(reason)
            if self._is_open:
                return
            self._is_open = True
        threading.Thread(target=self._ask, name="ask-the-store", daemon=True).start()

    def _ask(self) -> None:
        pause = threading.Event()
        while True:
            pause.wait(self._ask_s)
            try:
                self._ping()
            except Exception as error:
                self._reason = str(error)
                continue
            self._is_open = False
            return

    def stats(self) -> GuardStats:
        """Return what it did."""
        return GuardStats("open" if self._is_open else "closed", self._failures, self._refused)


class GuardedReader:
    """Reads as long as the guard lets it."""

    def __init__(self, reader: ViewReader, guard: StoreGuard) -> None:
        self._reader = reader
        self._guard = guard

    def read(
        self,
        join_values: Mapping[str, Sequence[Any] | npt.NDArray[Any]],
        as_of_us: int | npt.NDArray[np.int64] | None = None,
    ) -> Reading:
        """Read; see `stores.online.ViewReader`."""
        self._guard.check()
        try:
            return self._reader.read(join_values, as_of_us)
        except OnlineStoreUnavailable as error:
            self._guard.fail(error)
            raise
