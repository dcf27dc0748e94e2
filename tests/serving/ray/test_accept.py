"""Connections that are opened while a replica is busy are taken in the next turns of its loop, not one a turn."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence

import pytest
import uvicorn
import uvloop

from serving.ray.accept import AT_ONCE, accept_many, many_of


def turns_until_all_are_taken(clients: int, listen: Callable[[Sequence[socket.socket]], list[socket.socket]]) -> int:
    """Open connections while a loop stands still, then count its turns until it has taken all of them."""
    taken = 0

    class Count(asyncio.Protocol):
        def connection_made(self, _: asyncio.BaseTransport) -> None:
            nonlocal taken
            taken += 1

    async def run() -> int:
        loop = asyncio.get_running_loop()
        listening = socket.create_server(("127.0.0.1", 0), backlog=clients)
        servers = [await loop.create_server(Count, sock=one, backlog=clients) for one in listen([listening])]
        await asyncio.sleep(0)
        opened = [socket.create_connection(listening.getsockname()) for _ in range(clients)]  # the loop stands still
        turns = 0
        while taken < clients:
            turns += 1
            await asyncio.sleep(0)
        for one in (*opened, *servers):
            one.close()
        return turns

    return uvloop.run(run())


def test_many_are_taken_in_a_turn() -> None:
    one_by_one = turns_until_all_are_taken(4 * AT_ONCE, list)
    assert one_by_one >= 4 * AT_ONCE, "libuv takes more than one by itself: serving.ray.accept may go"
    assert turns_until_all_are_taken(4 * AT_ONCE, many_of) <= one_by_one // 16


def test_servers_of_ray_serve_listen_so_and_are_wrapped_once(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[int] = []

    async def serve(_: uvicorn.Server, sockets: list[socket.socket] | None = None) -> None:
        given.append(len(sockets or []))
        for one in sockets or []:
            one.close()

    monkeypatch.setattr(uvicorn.Server, "serve", serve)
    accept_many()
    accept_many()
    asyncio.run(uvicorn.Server(uvicorn.Config("app")).serve([socket.socket()]))
    asyncio.run(uvicorn.Server(uvicorn.Config("app")).serve())
    assert given == [AT_ONCE, 0]
