"""A request as protocols see it, and its body as strict JSON."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping, Sequence
from typing import Any, Final
from urllib.parse import parse_qsl

import orjson

from serving.protocols.answer import AnswerError
from serving.protocols.encoding import inflate
from serving.telemetry.traces import RequestSpan

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

DEADLINE = "millrace.deadline"
"""Under which name a request's deadline stands in its scope."""

DEEPEST: Final = 250
"""How deep JSON may be nested: orjson reads up to 1,024 and writes up to 254, and answers repeat fields."""

REQUEST_ID = "millrace.request_id"
"""Under which name a request's id stands in its scope."""

SPAN = "millrace.span"
"""Under which name the span of a request stands in its scope, where it is traced."""


class Request:
    """One HTTP request.

    Attributes:
        method: GET, HEAD or POST.
        path: As it was asked for.
        names: What stands in the path for the names of the route's pattern.
        deadline: Until when an answer is of use, in seconds of `time.monotonic`; None for no such bound.
        request_id: Its id, its caller's or one of our own.
        span: Its span, where it is traced.
    """

    __slots__ = ("_body", "_headers", "_query", "_receive", "deadline", "method", "names", "path", "request_id", "span")

    def __init__(self, scope: Scope, receive: Receive, names: Mapping[str, str]) -> None:
        """Take an ASGI scope and what its body comes from."""
        self.method: str = scope["method"]
        self.path: str = scope["path"]
        self.names = names
        self._headers: Sequence[tuple[bytes, bytes]] = scope.get("headers", ())
        self._query: bytes = scope.get("query_string", b"")
        self._receive = receive
        self._body: bytes | None = None
        self.deadline: float | None = scope.get(DEADLINE)
        self.request_id: str = scope.get(REQUEST_ID, b"").decode("latin-1")
        self.span: RequestSpan | None = scope.get(SPAN)

    def header(self, name: bytes) -> str | None:
        """Return a header's value, the first of several; None where it is not sent. `name` is in small letters."""
        for one, value in self._headers:
            if one == name:
                return value.decode("latin-1")
        return None

    def require_json(self) -> None:
        """Refuse another content type: a page of a foreign site can send others without asking the browser.

        Raises:
            AnswerError: The header does not say JSON.
        """
        kind = (self.header(b"content-type") or "").split(";")[0].strip().lower()
        if kind != "application/json":
            raise AnswerError(415, "send the header 'content-type: application/json'")

    def query(self) -> dict[str, str]:
        """Return the parameters after the question mark; the last of several of one name."""
        return dict(parse_qsl(self._query.decode("latin-1"), keep_blank_values=True))

    async def body(self, most: int) -> bytes:
        """Read the body, and inflate one that is sent compressed; the second time the same.

        Raises:
            AnswerError: It has more than `most` bytes, or more when it is inflated; its encoding is not known; or the caller
                went away.
        """
        if self._body is None:
            self._body = await self._read(most)
        return self._body

    async def _read(self, most: int) -> bytes:
        encoding: bytes | None = None
        for name, value in self._headers:
            if name == b"content-encoding":
                encoding = value if encoding is None else b"%b, %b" % (encoding, value)
        message = await self._receive()
        body: bytes = message.get("body", b"")
        if message.get("more_body", False):
            body, message = await self._rest(body, most)
        if message["type"] == "http.disconnect":
            raise AnswerError(400, "the caller went away")
        if len(body) > most:
            raise AnswerError(413, f"the body has more than {most} bytes; send several batches")
        return body if encoding is None else inflate(body, encoding, most)

    async def _rest(self, first: bytes, most: int) -> tuple[bytes, MutableMapping[str, Any]]:
        """Read on, no further than what tells that it is too long; return the body and the last message."""
        parts, size = [first], len(first)
        while True:
            message = await self._receive()
            part: bytes = message.get("body", b"")
            parts.append(part)
            size += len(part)
            if not message.get("more_body", False) or size > most:
                return b"".join(parts), message

    async def json(self, most: int) -> Any:
        """Read the body as strict JSON: NaN and Infinity are not numbers.

        Raises:
            AnswerError: It has more than `most` bytes, is not JSON, is nested too deep, or the caller went away.
        """
        return parse_json(await self.body(most))


def parse_json(body: bytes) -> Any:
    """Read strict JSON.

    Raises:
        AnswerError: It is not JSON, or nested deeper than an answer could repeat it.
    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise AnswerError(400, f"the body is not JSON: {_constant_in(body) or error}") from None
    if body.count(b"[") + body.count(b"{") > DEEPEST:
        try:
            orjson.dumps(value)
        except orjson.JSONEncodeError:
            raise AnswerError(400, f"the body is nested deeper than {DEEPEST}; send it flat") from None
    return value


def _constant_in(body: bytes) -> str | None:
    """Say which of NaN and Infinity stands in a body that Python would take for JSON."""
    found: list[str] = []
    try:
        json.loads(body, parse_constant=found.append)
    except (ValueError, RecursionError):
        return None
    return f"{found[0]} is not a JSON number; leave the value out or send a finite one" if found else None
