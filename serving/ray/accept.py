"""Takes many new connections in one turn of the event loop.

libuv, and so uvloop, accepts one connection of a listening socket a turn. A busy replica has turns of tens of milliseconds: of 512
connections that are opened at once, the last one's first request would stand for seconds, unseen by the bound on what is taken
in. A socket that is listened to by many descriptors gives one connection for each.
"""

from __future__ import annotations

import socket
from collections.abc import Sequence
from functools import wraps
from typing import Final

import uvicorn

AT_ONCE: Final = 64
"""Connections taken in a turn; each costs a try that finds nothing, a microsecond, in turns with fewer."""


def accept_many() -> None:
    """Let the HTTP servers of this process, which Ray Serve starts, listen by many descriptors; again changes nothing."""
    serve = uvicorn.Server.serve
    if hasattr(serve, "__wrapped__"):
        return

    @wraps(serve)
    async def serve_by_many(self: uvicorn.Server, sockets: list[socket.socket] | None = None) -> None:
        await serve(self, None if sockets is None else many_of(sockets))

    uvicorn.Server.serve = serve_by_many  # type: ignore[method-assign]


def many_of(sockets: Sequence[socket.socket]) -> list[socket.socket]:
    """Return sockets with `AT_ONCE` descriptors of each."""
    return [one for given in sockets for one in (given, *(given.dup() for _ in range(AT_ONCE - 1)))]
