"""Asks the warm store beside the hot one, for no longer than its time."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from stores.online import OnlineStoreUnavailable

T = TypeVar("T")

AT_ONCE: Final = 16
"""How many calls are under way at a time; those behind them wait, and their time runs."""


@dataclass(frozen=True, slots=True)
class WarmCall(Generic[T]):
    """A call under way.

    Attributes:
        future: Its outcome.
        until: When its time is over, monotonic seconds.
    """

    future: Future[T]
    until: float

    def answer(self) -> T | None:
        """Return its result; None if the store does not answer, or not in time: then nobody waits for it any more."""
        try:
            return self.future.result(max(0.0, self.until - time.monotonic()))
        except TimeoutError:
            self.future.cancel()
            return None
        except OnlineStoreUnavailable:
            return None


class WarmCalls:
    """Makes calls to the warm store in threads; a store that hangs holds `AT_ONCE` of them and no reader.

    Args:
        timeout_s: How long an answer is waited for.
    """

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="warm-store")

    def start(self, call: Callable[..., T], *arguments: Any) -> WarmCall[T]:
        """Start a call, and its time."""
        return WarmCall(self._pool.submit(call, *arguments), time.monotonic() + self._timeout_s)
