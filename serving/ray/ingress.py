"""A middleware that Ray Serve is told of by an environment variable; it runs before Ray Serve's own handling."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from starlette.middleware import Middleware

DISABLED = (b"x-request-disconnect-disabled", b"?1")
"""Ray Serve's own header: do not watch whether the caller hangs up."""


class WithoutDisconnects:
    """Tells Ray Serve not to watch for callers that hang up.

    A score takes milliseconds and is made in a batch with others, so there is nothing to cancel; the watching costs two
    tasks a request.
    """

    def __init__(self, app: Callable[..., Awaitable[None]]) -> None:
        self._app = app

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        """Pass one ASGI request on."""
        if scope["type"] == "http":
            scope["headers"] = [*scope["headers"], DISABLED]
        await self._app(scope, receive, send)


def middlewares() -> list[Middleware]:
    """Return what `RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH` asks for."""
    return [Middleware(WithoutDisconnects)]
