"""Takes no more requests than can be answered within the latency budget; the rest is told at once to come again.

The bound follows from what is seen: while the service is busy, it answers so many requests a second; more in flight than
that times the budget would wait longer than the budget (Little's law). A request may bring a deadline of its own.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from math import inf
from typing import Final

from serving.protocols.answer import Answer, error_body
from serving.protocols.request import DEADLINE, Receive, Scope, Send
from serving.telemetry.request_id import HEADER, request_id_of

TIMEOUT_HEADER: Final = b"x-request-timeout-seconds"
"""How long the caller waits, seconds; the name is Ray Serve's."""

WINDOW_S: Final = 0.1
"""How long answers are counted before the bound follows, seconds."""

SHARE: Final = 0.6
"""Which part of the budget may be spent in the queue on average; the rest is for what varies."""

FEWEST: Final = 8
"""How many requests may always be in flight."""

RETRY_AFTER: Final = ((b"retry-after", b"1"),)


class Admission:
    """How many requests are in flight, and how many may be.

    Args:
        budget_s: How long an accepted request may take, seconds.
        clock: Monotonic seconds.

    Attributes:
        budget_s: The same.
        in_flight: How many requests are.
        limit: How many may be.
        rejected: How many were refused.
    """

    def __init__(self, budget_s: float, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with a bound for an unknown machine; it is right after the first busy tenth of a second."""
        self.budget_s = budget_s
        self.in_flight = 0
        self.limit = 64
        self.rejected = 0
        self._clock = clock
        self._since = clock()
        self._answered = 0
        self._fewest = 0
        self._is_full = False

    def enter(self) -> float | None:
        """Admit a request and return the time; None where it must be refused."""
        if self.in_flight >= self.limit:
            self._is_full = True
            self.rejected += 1
            return None
        self.in_flight += 1
        return self._clock()

    def leave(self) -> None:
        """Count a request as answered."""
        self.in_flight -= 1
        self._answered += 1
        self._fewest = min(self._fewest, self.in_flight)
        if self._answered & 7 == 0 or self.in_flight == 0:
            self._look()

    def _look(self) -> None:
        now = self._clock()
        passed = now - self._since
        if passed < WINDOW_S:
            return
        if self._fewest > 0 and (self._is_full or self._fewest > self.limit // 2):  # it was busy all the time
            fitting = self._answered / passed * self.budget_s * SHARE
            self.limit = max(FEWEST, round(self.limit + 0.5 * (fitting - self.limit)))
        self._since, self._answered, self._fewest, self._is_full = now, 0, self.in_flight, False


class Admitted:
    """An ASGI middleware that refuses what would come too late; only POST is counted, health and metrics always pass.

    Args:
        app: What answers.
        admission: Gives the bound at each request; None admits all.
    """

    def __init__(
        self, app: Callable[[Scope, Receive, Send], Awaitable[None]], admission: Callable[[], Admission | None]
    ) -> None:
        self._app = app
        self._admission = admission

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on with its deadline, or refuse it."""
        admission = self._admission()
        if admission is None or scope["type"] != "http" or scope["method"] != "POST":
            await self._app(scope, receive, send)
            return
        now = admission.enter()
        if now is None:
            await _refuse(scope, send)
            return
        try:
            scope[DEADLINE] = now + min(_asked_s(scope), admission.budget_s)
            await self._app(scope, receive, send)
        finally:
            admission.leave()


def _asked_s(scope: Scope) -> float:
    """Return how long the caller waits; a header that is no positive number is passed over, as Ray Serve does."""
    for name, value in scope["headers"]:
        if name == TIMEOUT_HEADER:
            try:
                asked = float(value)
            except ValueError:
                break
            return asked if asked > 0 else inf
    return inf


async def _refuse(scope: Scope, send: Send) -> None:
    headers = (
        (b"content-type", _BUSY.content_type),
        (b"content-length", b"%d" % len(_BUSY_BODY)),
        (HEADER, request_id_of(scope["headers"])),
        *RETRY_AFTER,
    )
    await send({"type": "http.response.start", "status": _BUSY.status, "headers": headers})
    await send({"type": "http.response.body", "body": _BUSY_BODY})


_BUSY: Final = Answer(
    error_body("too many requests are under way to answer this one in time; try again in a second"), 429
)
_BUSY_BODY: Final = _BUSY.encode()
