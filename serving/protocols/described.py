"""What a route says of itself: the parts of an OpenAPI 3.1 operation that differ from route to route."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

Schema = Mapping[str, Any]
"""A JSON schema, draft 2020-12."""

ERROR: Final[Schema] = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["field", "message"],
            "properties": {
                "field": {
                    "type": ["string", "null"],
                    "description": "the field that is meant, such as `instances[3].bid`",
                },
                "message": {"type": "string", "description": "what was given, and what to send instead"},
            },
        }
    },
}
"""The body of every error, but for protocols that have a form of their own."""

RETRY_AFTER: Final[Mapping[str, Schema]] = {"retry-after": {"type": "integer", "minimum": 1}}
"""The header of an answer that says to come again, in seconds."""


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer of one status.

    Attributes:
        says: When it is given.
        schema: Its body; None for one without a body.
        content_type: What the body is.
        headers: Those that it always has, by name.
    """

    says: str
    schema: Schema | None = None
    content_type: str = "application/json"
    headers: Mapping[str, Schema] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Operation:
    """What one method of one path does.

    Attributes:
        summary: A line.
        tag: The protocol it belongs to.
        replies: By status; what every route may answer (401, 413, 500, ...) is added to these.
        description: More than a line.
        body: What is sent; None for nothing.
        example: Something that may be sent.
        parameters: OpenAPI's parameter objects: headers, query.
        path: The path that is meant, where the route's pattern has names.
        error: The body of its errors.
    """

    summary: str
    tag: str
    replies: Mapping[int, Reply]
    description: str = ""
    body: Schema | None = None
    example: Any = None
    parameters: tuple[Mapping[str, Any], ...] = ()
    path: str | None = None
    error: Schema = field(default_factory=lambda: ERROR)


def header(name: str, schema: Schema, says: str) -> Mapping[str, Any]:
    """Describe a header that may be sent."""
    return {"name": name, "in": "header", "required": False, "schema": schema, "description": says}
