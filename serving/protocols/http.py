"""HTTP for all protocols, as a plain ASGI app: a framework's routing and models cost more here than the scoring.

Every error is `{"error": {"field": ..., "message": ...}}`: 400 for what is not JSON, 404, 405, 413, 422 for a field.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any

from serving.request.schema import RequestError

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Names = Mapping[str, str]
Handler = Callable[[Receive, Names], Awaitable[tuple[int, object]]]
"""Answers a request: its body, and the names in its path; returns status and answer as JSON can hold it."""

_log = logging.getLogger(__name__)
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


@dataclass(frozen=True, slots=True)
class Route:
    """One route.

    Attributes:
        method: GET (and then HEAD as well) or POST.
        pattern: The path; `{name}` stands for one part of it, such as `/v1/score/{service}`.
        handle: What answers.
    """

    method: str
    pattern: str
    handle: Handler


class Router:
    """Finds the route of a path; a trailing slash is passed over."""

    def __init__(self, routes: Sequence[Route]) -> None:
        """Sort out the plain paths, which a dictionary finds at once."""
        self._plain: dict[str, list[Route]] = {}
        self._patterns: dict[str, tuple[re.Pattern[str], list[Route]]] = {}
        for route in routes:
            if "{" not in route.pattern:
                self._plain.setdefault(route.pattern, []).append(route)
            else:
                pattern = re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", route.pattern))
                self._patterns.setdefault(route.pattern, (pattern, []))[1].append(route)
        self.patterns = tuple(dict.fromkeys(route.pattern for route in routes))

    def find(self, path: str) -> tuple[list[Route], dict[str, str]]:
        """Return the routes of a path, one a method, and the names in it; no routes for an unknown path."""
        found = self._plain.get(path)
        if found is not None:
            return found, {}
        path = path.rstrip("/") or "/"
        if path in self._plain:
            return self._plain[path], {}
        for pattern, routes in self._patterns.values():
            match = pattern.fullmatch(path)
            if match:
                return routes, match.groupdict()
        return [], {}


class AnswerError(ValueError):
    """A request that gets an error for an answer.

    Attributes:
        status: The HTTP status.
    """

    def __init__(self, status: int, message: str) -> None:
        """Note the status to answer with, and what to say."""
        super().__init__(message)
        self.status = status


class HttpApp:
    """Answers HTTP requests by routes."""

    def __init__(self, routes: Sequence[Route]) -> None:
        """Take the routes of all protocols."""
        self._router = Router(routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one ASGI request."""
        if scope["type"] != "http":
            return
        path, method = scope["path"], scope["method"]
        routes, names = self._router.find(path)
        allowed = [one.method for one in routes]
        route = next((one for one in routes if one.method == ("GET" if method == "HEAD" else method)), None)
        if not routes:
            status = 404
            answer: object = error_body(f"{path}: no such path; there are {', '.join(self._router.patterns)}")
        elif route is None:
            status, answer = 405, error_body(f"{path}: answers {', '.join(allowed)}, not {method}")
        else:
            status, answer = await _answer(route.handle, receive, names)
        body = _encode(answer).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        if status == 405:
            allowed += ["HEAD"] if "GET" in allowed else []
            headers.append((b"allow", ", ".join(allowed).encode()))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if method == "HEAD" else body})


async def _answer(handle: Handler, receive: Receive, names: Names) -> tuple[int, object]:
    try:
        return await handle(receive, names)
    except RequestError as error:
        return 422, error_body(error.message, error.field)
    except AnswerError as error:
        return error.status, error_body(str(error))
    except Exception:
        _log.exception("a request could not be answered")
        return 500, error_body("the service failed; its log says why")


async def read_json(receive: Receive, most: int) -> object:
    """Read a request's body as strict JSON: NaN and Infinity are not numbers.

    Raises:
        AnswerError: It has more than `most` bytes, is not JSON, or the caller went away.
    """
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body", False) and len(body) <= most:
        message = await receive()
        body += message.get("body", b"")
    if message["type"] == "http.disconnect":
        raise AnswerError(400, "the caller went away")
    if len(body) > most:
        raise AnswerError(413, f"the body has more than {most} bytes; send several batches")
    try:
        return _DECODER.decode(body.decode())
    except (ValueError, RecursionError) as error:
        raise AnswerError(400, f"the body is not JSON: {error}") from None


def error_body(message: str, field: str | None = None) -> dict[str, object]:
    """Return the body of an error."""
    return {"error": {"field": field, "message": message}}


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is not a JSON number; leave the value out or send a finite one")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)
