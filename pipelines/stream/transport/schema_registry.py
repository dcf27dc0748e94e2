"""Asks a schema registry (Confluent's, or one that speaks like it) for schemas by their number, and the other way round."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from pipelines.stream.transport.base import TransportError, TransportUnavailable
from pipelines.stream.transport.records import NotDecodableError

_SECONDS = 5.0


@lru_cache(maxsize=1024)
def schema_of_number(registry: str, number: int) -> str:
    """Return the schema with a number; asked once a process, for a number never changes its schema.

    Raises:
        NotDecodableError: There is none.
        TransportUnavailable: The registry does not answer.
    """
    answer = _ask(registry, "GET", f"/schemas/ids/{number}", None)
    if "schema" not in answer:
        raise NotDecodableError(f"schema {number} is not in the registry")
    return str(answer["schema"])


@lru_cache(maxsize=64)
def number_of_schema(registry: str, subject: str, schema: str) -> int:
    """Register a schema, if it is not there yet, and return its number.

    Raises:
        TransportError: The registry refuses it.
        TransportUnavailable: The registry does not answer.
    """
    answer = _ask(registry, "POST", f"/subjects/{subject}/versions", {"schema": schema})
    if "id" not in answer:
        raise TransportError(
            f"the schema registry refuses the schema of {subject}: {answer.get('message', 'no reason')}."
        )
    return int(answer["id"])


def _ask(registry: str, method: str, path: str, body: dict[str, str] | None) -> dict[str, Any]:
    import httpx

    try:
        answer = httpx.request(method, registry.rstrip("/") + path, json=body, timeout=_SECONDS)
        found = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        raise _away(registry, error) from error
    if answer.status_code >= 500:
        raise _away(registry, answer.status_code)
    return found if isinstance(found, dict) else {}


def _away(registry: str, reason: object) -> TransportUnavailable:
    address = registry.rpartition("@")[2] if "@" in registry else registry
    return TransportUnavailable(f"the schema registry at {address} does not answer ({reason}); start it.")
