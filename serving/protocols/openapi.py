"""Writes all routes as one OpenAPI 3.1 document; it is made anew for each who asks, so that it is always true.

A route without a description is left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from serving.protocols.answer import Answer
from serving.protocols.described import RETRY_AFTER, Operation, Reply
from serving.protocols.request import Request
from serving.protocols.router import OPEN, READ, Route

PATH: Final = "/openapi.json"

_REFUSED: Final[Mapping[int, str]] = {
    400: "the body is not JSON, is nested too deep, or is not in the encoding that it is said to be in",
    413: "the body is too long",
    415: "the content-encoding is not known",
}
"""What every route with a body may answer."""

_BUSY: Final = (
    "more requests are under way than can be answered in time, or the key's rate is used up; retry-after says when"
)
_NO_KEY: Final = "no key, or one that is not known"
_NO_SCOPE: Final = "the key does not allow this"


class OpenApi:
    """Describes routes.

    Args:
        routes: All but its own.
        version: The version of the API.
        with_keys: Whether callers need keys.
    """

    def __init__(self, routes: Sequence[Route], version: str, with_keys: bool) -> None:
        """Take the routes that there are."""
        self._routes = [*routes, *self.routes()]
        self._version = version
        self._with_keys = with_keys

    def routes(self) -> list[Route]:
        """Return the route of the document."""
        return [Route("GET", PATH, self._answer, READ, lambda: [_DOCUMENT])]

    def document(self) -> dict[str, Any]:
        """Return the document."""
        paths: dict[str, dict[str, Any]] = {}
        for route in self._routes:
            for one in route.operations() if route.operations else ():
                paths.setdefault(one.path or route.pattern, {})[route.method.lower()] = self._operation(route, one)
        document: dict[str, Any] = {
            "openapi": "3.1.0",
            "info": {"title": "Millrace scoring", "version": self._version},
            "paths": paths,
        }
        if self._with_keys:
            schemes = {
                "bearer": {"type": "http", "scheme": "bearer"},
                "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
            }
            document["components"] = {"securitySchemes": schemes}
        return document

    async def _answer(self, _: Request) -> Answer:
        return Answer(self.document())

    def _operation(self, route: Route, one: Operation) -> dict[str, Any]:
        path = one.path or route.pattern
        replies = {**one.replies, **self._common(route, one)}
        names = [
            {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
            for name in re.findall(r"\{(\w+)\}", path)
        ]
        described: dict[str, Any] = {
            "operationId": re.sub(r"\W+", "_", f"{route.method.lower()}{path}").strip("_"),
            "summary": one.summary,
            "tags": [one.tag],
            "responses": {str(status): _response(replies[status]) for status in sorted(replies)},
            "x-scope": route.scope,
        }
        if one.description:
            described["description"] = one.description
        if names or one.parameters:
            described["parameters"] = [*names, *one.parameters]
        if one.body is not None:
            content: dict[str, Any] = {"schema": one.body}
            if one.example is not None:
                content["example"] = one.example
            described["requestBody"] = {"required": True, "content": {"application/json": content}}
        if self._with_keys:
            described["security"] = [] if route.scope == OPEN else [{"bearer": []}, {"key": []}]
        return described

    def _common(self, route: Route, one: Operation) -> dict[int, Reply]:
        """Return what every route of its kind may answer, with what the operation says of the same statuses before it."""
        said: dict[int, tuple[str, Mapping[str, Any]]] = {500: ("the service failed; its log says why", {})}
        if route.method == "POST":
            said |= {status: (text, {}) for status, text in _REFUSED.items()} | {429: (_BUSY, RETRY_AFTER)}
        if self._with_keys and route.scope != OPEN:
            said |= {
                401: (_NO_KEY, {"www-authenticate": {"type": "string"}}),
                403: (_NO_SCOPE, {}),
                429: (_BUSY, RETRY_AFTER),
            }
        common = {}
        for status, (text, headers) in said.items():
            own = one.replies.get(status)
            text = f"{own.says}; or {text}" if own else text
            common[status] = Reply(text, own.schema if own else one.error, headers=headers)
        return common


def _response(reply: Reply) -> dict[str, Any]:
    told: dict[str, Any] = {"description": reply.says}
    if reply.schema is not None:
        told["content"] = {reply.content_type: {"schema": reply.schema}}
    if reply.headers:
        told["headers"] = {name: {"schema": schema, "required": True} for name, schema in reply.headers.items()}
    return told


_DOCUMENT: Final = Operation("This document", "about", {200: Reply("OpenAPI 3.1", {"type": "object"})})
