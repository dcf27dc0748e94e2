"""An answer to a request, and the error that is one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

JSON: Final = b"application/json"
Headers = Sequence[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request gets.

    Attributes:
        body: Anything JSON can hold, or bytes that are sent as they are.
        status: The HTTP status.
        headers: Beside type and length, names in small letters.
        content_type: What the body is.
    """

    body: Any
    status: int = 200
    headers: Headers = field(default=())
    content_type: bytes = JSON

    def encode(self) -> bytes:
        """Return the body's bytes."""
        return self.body if isinstance(self.body, bytes) else orjson.dumps(self.body, option=orjson.OPT_SERIALIZE_NUMPY)


class AnswerError(ValueError):
    """A request that gets an error for an answer.

    Attributes:
        status: The HTTP status.
        headers: Such as `retry-after`.
        field: The field of the request that is meant, if one is.
    """

    def __init__(self, status: int, message: str, headers: Headers = (), field: str | None = None) -> None:
        """Note the status to answer with, and what to say."""
        super().__init__(message)
        self.status = status
        self.headers = headers
        self.field = field

    def answer(self) -> Answer:
        """Return it as an answer."""
        return Answer(error_body(str(self), self.field), self.status, self.headers)


def error_body(message: str, field: str | None = None) -> dict[str, object]:
    """Return the body of an error."""
    return {"error": {"field": field, "message": message}}
