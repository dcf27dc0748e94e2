"""One Redis client a server and process, and which of its errors mean that it may come back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from pipelines.stream.transport.base import TransportError, TransportUnavailable

_CONNECT_SECONDS: Final = 2.0
_ANSWER_SECONDS: Final = 5.0

# Loading, failing over, demoted, away: all of these pass.
_AWAY: Final = (
    redis.ConnectionError,
    redis.TimeoutError,
    redis.ReadOnlyError,
    redis.exceptions.ClusterDownError,
    redis.exceptions.TryAgainError,
)

_PASSES: Final = {"BUSY", "LOADING", "MASTERDOWN", "MISCONF", "NOREPLICAS"}

_CLIENTS: dict[str, Any] = {}  # a transport itself is plain data and can be sent to another process


def client_of(url: str) -> Any:
    """Return the client of a server. It does not try again by itself: who waits, waits where others can go on."""
    if url not in _CLIENTS:
        client: Any = redis.Redis.from_url(
            url,
            socket_connect_timeout=_CONNECT_SECONDS,
            socket_timeout=_ANSWER_SECONDS,
            retry=Retry(NoBackoff(), 0),
        )
        for command in (
            "XREAD",
            "XRANGE",
        ):  # as they come: a dictionary an entry costs more than all the rest of a read
            client.set_response_callback(command, lambda reply, **_: reply)
        _CLIENTS[url] = client
    return _CLIENTS[url]


@contextmanager
def answering(url: str) -> Iterator[Any]:
    """Give the client of a server.

    Raises:
        TransportUnavailable: It does not answer, or does not take writes now.
        TransportError: It refuses what is asked, and will again.
    """
    client = client_of(url)
    try:
        yield client
    except _AWAY as error:
        raise _unavailable(url, error) from error
    except redis.exceptions.OutOfMemoryError as error:
        raise TransportUnavailable(
            f"the broker at {shown(url)} is full ({error}); start the stream that reads it, or give it more memory."
        ) from error
    except redis.ResponseError as error:
        if str(error).split(" ")[0] in _PASSES:
            raise _unavailable(url, error) from error
        raise TransportError(f"the broker at {shown(url)} refuses: {error}.") from error


def _unavailable(url: str, error: Exception) -> TransportUnavailable:
    """Return the error that says who does not answer; a server that was demoted is looked up again."""
    client_of(url).connection_pool.disconnect(inuse_connections=False)
    return TransportUnavailable(
        f"the broker at {shown(url)} does not answer ({error}); start it, or set MILLRACE_BROKER."
    )


def shown(url: str) -> str:
    """Return an address as people are told it: without the password and the settings in it.

    >>> shown("redis://ann:secret@localhost:6379/0?socket_timeout=1")
    'redis://localhost:6379/0'
    """
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
