"""Asks the warm store beside the hot one, for no longer than its time, and not at all for a while after it was too slow."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import Any, Final, Generic, TypeVar

from stores.breaker import OPEN_S, CircuitBreaker
from stores.online import OnlineStoreUnavailable

T = TypeVar("T")

AT_ONCE: Final = 16
"""How many calls are under way at a time; those behind them wait, and their time runs."""

FAILURES: Final = 5
"""How many calls in a row that bring nothing make the warm store be skipped: one slow answer in a hundred darkens nothing."""


@dataclass(frozen=True, slots=True)
class WarmCall(Generic[T]):
    """A call under way.

    Attributes:
        future: Its outcome; None for a call that was not made.
        until: When its time is over, monotonic seconds.
        breaker: Is told how it went.
    """

    future: Future[T] | None
    until: float
    breaker: CircuitBreaker

    def answer(self) -> T | None:
        """Return its result; None if the store does not answer, or not in time: then nobody waits for it any more."""
        if self.future is None:
            return None
        try:
            found = self.future.result(max(0.0, self.until - time.monotonic()))
        except TimeoutError:
            self.future.cancel()
            self.breaker.fail("no answer in time")
            return None
        except OnlineStoreUnavailable as error:
            self.breaker.fail(error)
            return None
        self.breaker.succeed()
        return found


class WarmCalls:
    """Makes calls to the warm store in threads; a store that hangs holds `AT_ONCE` of them, and after a few calls none.

    Args:
        timeout_s: How long an answer is waited for.
        failures: How many calls in a row that bring nothing make it be skipped.
        skip_s: For how long it is skipped, seconds; then one call at a time tries.
    """

    def __init__(self, timeout_s: float, failures: int = FAILURES, skip_s: float = OPEN_S) -> None:
        self._timeout_s = timeout_s
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="warm-store")
        self._breaker = CircuitBreaker(failures, skip_s)

    def start(self, call: Callable[..., T], *arguments: Any) -> WarmCall[T]:
        """Start a call, and its time; while the store is skipped, the call brings nothing at once."""
        future = self._pool.submit(call, *arguments) if self._breaker.allow() else None
        return WarmCall(future, time.monotonic() + self._timeout_s, self._breaker)

    def prepare(self, call: Callable[[], object]) -> None:
        """Start a call that nobody waits for, such as one that connects."""
        self._pool.submit(call)

    def stats(self) -> dict[str, Any]:
        """Return what became of the calls, as JSON can hold it."""
        return asdict(self._breaker.stats())
