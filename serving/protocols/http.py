"""HTTP for all protocols, as a plain ASGI app: a framework's routing and models cost more here than the scoring.

Every error is `{"error": {"field": ..., "message": ...}}`: 400 for what is not JSON, 404, 405, 413,
415 for an encoding that is not known, 422 for a field.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from time import perf_counter
from typing import Final

from serving.protocols.answer import Answer, AnswerError, error_body
from serving.protocols.request import REQUEST_ID, SPAN, Receive, Request, Scope, Send
from serving.protocols.router import READ, Handler, Route, Router
from serving.request.schema import RequestError
from serving.telemetry.hooks import Telemetry
from serving.telemetry.request_id import HEADER, request_id_of

_log = logging.getLogger(__name__)


NO_ROUTE: Final = "(none)"
"""Under which name requests are counted that no route answers."""


class HttpApp:
    """Answers HTTP requests by routes, each under its caller's `x-request-id` or one of our own.

    Attributes:
        patterns: The paths that there are.
    """

    def __init__(self, routes: Sequence[Route], telemetry: Telemetry | None = None) -> None:
        """Take the routes of all protocols, and who is told of requests."""
        self._router = Router(routes)
        told = telemetry or Telemetry()
        self._metrics, self._log, self._traces = told.metrics, told.log, told.traces
        self.patterns = self._router.patterns

    def scope_of(self, method: str, path: str) -> str:
        """Return what a caller's key must allow; for what there is not, what the path allows with other methods, or `read`."""
        routes, _ = self._router.find(path)
        wanted = "GET" if method == "HEAD" else method
        for route in routes:
            if route.method == wanted:
                return route.scope
        return routes[0].scope if routes else READ

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one ASGI request."""
        if scope["type"] != "http":
            if scope["type"] == "websocket":
                await send({"type": "websocket.close"})
            return
        began = perf_counter()
        method: str = scope["method"]
        request_id = scope[REQUEST_ID] = request_id_of(scope["headers"])
        span = None
        if self._traces is not None:
            span = scope[SPAN] = self._traces.begin(method, scope["path"], scope["headers"], request_id)
        answer, route = await self._answer(scope, receive)
        try:
            body = answer.encode()
        except TypeError:
            _log.exception("an answer could not be written as JSON")
            answer = _FAILED
            body = answer.encode()
        seconds = perf_counter() - began
        counted = method if route != NO_ROUTE else ""  # whatever callers make up must not become a label
        if self._metrics is not None:
            self._metrics.request(counted, route, answer.status, seconds)
        if self._log is not None:
            trace_id = span.trace_id if span else None
            self._log.request(counted, route, answer.status, seconds, request_id, trace_id)
        if span is not None:
            span.end(route, answer.status)
        headers = [
            (b"content-type", answer.content_type),
            (b"content-length", b"%d" % len(body)),
            (HEADER, request_id),
            *answer.headers,
        ]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if method == "HEAD" else body})

    async def _answer(self, scope: Scope, receive: Receive) -> tuple[Answer, str]:
        path, method = scope["path"], scope["method"]
        routes, names = self._router.find(path)
        wanted = "GET" if method == "HEAD" else method
        for route in routes:
            if route.method == wanted:
                return await _handle(route.handle, Request(scope, receive, names)), route.pattern
        if not routes:
            message = f"{path[:200]}: no such path; there are {', '.join(self._router.patterns)}"
            return Answer(error_body(message), 404), NO_ROUTE
        allowed = [one.method for one in routes]
        message = f"{path[:200]}: answers {', '.join(allowed)}, not {method[:20]}"
        allowed += ["HEAD"] if "GET" in allowed else []
        return Answer(error_body(message), 405, ((b"allow", ", ".join(allowed).encode()),)), NO_ROUTE


async def _handle(handle: Handler, request: Request) -> Answer:
    try:
        return await handle(request)
    except RequestError as error:
        return Answer(error_body(error.message, error.field), 422)
    except AnswerError as error:
        return error.answer()
    except Exception:
        _log.exception("a request could not be answered", extra={"request_id": request.request_id})
        return _FAILED


_FAILED: Final = Answer(error_body("the service failed; its log says why"), 500)
