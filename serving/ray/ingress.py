"""Middlewares that Ray Serve is told of by an environment variable; they run in a replica before Ray Serve's own handling."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.middleware import Middleware

from serving.protocols.admission import TIMEOUT_HEADER, Admission, Admitted

DISABLED = (b"x-request-disconnect-disabled", b"?1")
"""Ray Serve's own header: do not watch whether the caller hangs up."""

_of_this_replica: list[Admission] = []


def admit_by(admission: Admission) -> None:
    """Bound what this process takes; called by the replica when it starts."""
    _of_this_replica[:] = [admission]


class WithoutDisconnects:
    """Tells Ray Serve not to watch for callers that hang up, and not to time requests, which the deadline does.

    A score takes milliseconds and is made in a batch with others, so there is nothing to cancel; the watching costs two
    tasks a request.
    """

    def __init__(self, app: Callable[..., Awaitable[None]]) -> None:
        self._app = app

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        """Pass one ASGI request on."""
        if scope["type"] == "http":
            scope["headers"] = [*(one for one in scope["headers"] if one[0] != TIMEOUT_HEADER), DISABLED]
        await self._app(scope, receive, send)


def middlewares() -> list[Middleware]:
    """Return what `RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH` asks for, the first outermost."""
    return [
        Middleware(Admitted, lambda: _of_this_replica[0] if _of_this_replica else None),
        Middleware(WithoutDisconnects),
    ]
