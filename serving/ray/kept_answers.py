"""Keeps answers in Redis, where every replica sees them; see `serving.protocols.idempotency`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, TypeVar

import redis.asyncio
from redis.exceptions import RedisError

PREFIX: Final = "millrace:answer:"
T = TypeVar("T")


class RedisAnswers:
    """Keeps answers by key for a while.

    Args:
        url: Such as `redis://:password@host:6379/0`, or `rediss://` by TLS.
        keep_s: How long, seconds.
        timeout_s: How long one call may take, seconds.
    """

    def __init__(self, url: str, keep_s: float, timeout_s: float) -> None:
        """Connect at first use."""
        self._keep_ms = int(keep_s * 1000)
        self._client: Any = redis.asyncio.Redis.from_url(
            url, socket_timeout=timeout_s, socket_connect_timeout=timeout_s, retry_on_timeout=False
        )

    async def begin(self, key: str, mark: bytes, seconds: float) -> bytes | None:
        """Put a mark under a key that has nothing; return None, or what is there."""

        async def ask() -> bytes | None:
            while True:
                async with self._client.pipeline(transaction=False) as pipe:
                    pipe.set(PREFIX + key, mark, nx=True, px=int(seconds * 1000))
                    pipe.get(PREFIX + key)
                    was_set, found = await pipe.execute()
                if was_set:
                    return None
                if found is not None:  # else it expired in between
                    return bytes(found)

        return await _reached(ask)

    async def keep(self, key: str, answer: bytes) -> None:
        """Keep an answer in the place of the mark."""
        await _reached(lambda: self._client.set(PREFIX + key, answer, px=self._keep_ms))

    async def forget(self, key: str) -> None:
        """Take the mark away."""
        await _reached(lambda: self._client.delete(PREFIX + key))


async def _reached(call: Callable[[], Awaitable[T]]) -> T:
    try:
        return await call()
    except RedisError as error:
        raise ConnectionError(f"Redis does not keep answers: {error}") from error
