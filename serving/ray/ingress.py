"""Middlewares that Ray Serve is told of by an environment variable; they run in a replica before Ray Serve's own handling.

Ray Serve spends more on a request than a score costs: its id, context, counters, semaphore and two tasks. Here a replica
answers by itself what HAProxy hands it; what Ray Serve needs to know, how many requests are in flight, it is told by
`serving.ray.autoscaling`. Without the variable the same app answers behind Ray Serve's handling.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.middleware import Middleware

from serving.protocols.admission import Admission, Admitted
from serving.protocols.request import Receive, Scope, Send
from serving.ray.accept import accept_many

App = Callable[[Scope, Receive, Send], Awaitable[None]]

RAYS_OWN = "/-/"
"""Paths that begin so are Ray Serve's: its health and its routes."""


@dataclass(slots=True)
class _Replica:
    app: App | None = None
    admission: Admission | None = None


_of_this_process = _Replica()


def answer_by(app: App, admission: Admission) -> None:
    """Let an app answer the requests of this process; called by the replica when it starts."""
    _of_this_process.app, _of_this_process.admission = app, admission


class Direct:
    """Answers by the replica's app; what is Ray Serve's own, and what comes before there is a replica, is passed on."""

    def __init__(self, app: App) -> None:
        self._ray = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one ASGI request."""
        app = _of_this_process.app
        own = app is None or scope["type"] != "http" or scope["path"].startswith(RAYS_OWN)
        await (self._ray if app is None or own else app)(scope, receive, send)


def middlewares() -> list[Any]:
    """Return what `RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH` asks for: each is put around those before it.

    It is called before the server that they are for is started.
    """
    accept_many()
    return [Middleware(Direct), Middleware(Admitted, lambda: _of_this_process.admission)]
