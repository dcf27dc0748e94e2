"""Answers a repeated request with the answer of the first: the same decision, made and recorded once.

A caller that does not know whether its request arrived sends it again with the same `Idempotency-Key` (as drafted by the IETF,
draft-ietf-httpapi-idempotency-key-header). Answers are kept where all replicas see them; 5xx and 429 are not kept.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from serving.config import HttpConfig
from serving.protocols.admission import RETRY_AFTER
from serving.protocols.answer import Answer, AnswerError
from serving.protocols.described import RETRY_AFTER as RETRIED
from serving.protocols.described import Reply, header
from serving.protocols.request import Request
from serving.protocols.router import Handler, Route

HEADER: Final = b"idempotency-key"
MOST_KEY: Final = 255
REPLAYED: Final = ((b"idempotent-replayed", b"true"),)
ASK_AGAIN_S: Final = 0.01
"""How often is asked for the answer of a request that is being scored elsewhere, seconds."""

_log = logging.getLogger(__name__)


class KeptAnswers(Protocol):
    """Keeps answers for all replicas; any method may raise `OSError`, such as ConnectionError, when it is away."""

    async def begin(self, key: str, mark: bytes, seconds: float) -> bytes | None:
        """Put a mark under a key that has nothing, for some seconds; return None, or what is there already."""

    async def keep(self, key: str, answer: bytes) -> None:
        """Keep an answer in the place of the mark."""

    async def forget(self, key: str) -> None:
        """Take the mark away."""


@dataclass(frozen=True, slots=True)
class _Kept:
    """What is kept: which request, and its answer if it has one."""

    fingerprint: bytes
    status: int
    body: bytes

    def pack(self) -> bytes:
        return self.fingerprint + b"%03d" % self.status + self.body

    @classmethod
    def unpack(cls, packed: bytes) -> _Kept:
        return cls(packed[:_SIZE], int(packed[_SIZE : _SIZE + 3]), packed[_SIZE + 3 :])


_SIZE: Final = 16
_UNDER_WAY: Final = 0


class Idempotent:
    """Wraps a handler.

    Args:
        handle: What answers a request that is new.
        kept: Where answers are kept; None refuses the header, and says how to have it.
        limits: How large a request may be, and how long it may take.
        clock: Monotonic seconds.
    """

    def __init__(
        self, handle: Handler, kept: KeptAnswers | None, limits: HttpConfig, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._handle = handle
        self._kept = kept
        self._limits = limits
        self._clock = clock

    async def __call__(self, request: Request) -> Answer:
        """Answer a request, or repeat what was answered to it."""
        key = request.header(HEADER)
        if key is None:
            return await self._handle(request)
        if self._kept is None:
            raise AnswerError(
                400, "Idempotency-Key: answers are not kept here; add 'idempotency: {redis: ...}' to serving.yaml"
            )
        if not 0 < len(key) <= MOST_KEY:
            raise AnswerError(400, f"Idempotency-Key: expected 1 to {MOST_KEY} characters, got {len(key)}")
        caller = request.header(b"authorization") or request.header(b"x-api-key") or ""
        name = f"{request.path} {_digest(caller.encode()).hex()} {key}"  # each caller's keys are its own
        mark = _Kept(_digest(await request.body(self._limits.max_body_bytes)), _UNDER_WAY, b"")
        return await self._once(self._kept, name, mark, request)

    async def _once(self, kept: KeptAnswers, name: str, mark: _Kept, request: Request) -> Answer:
        budget_s = self._limits.budget_ms / 1000
        until = request.deadline or self._clock() + budget_s
        while True:
            try:
                found = await kept.begin(name, mark.pack(), 2 * budget_s)
            except OSError as error:
                _log.warning("nothing is known of an Idempotency-Key: %s", error)
                return await self._handle(request)
            if found is None:
                break
            before = _Kept.unpack(found)
            if before.fingerprint != mark.fingerprint:
                raise AnswerError(422, "Idempotency-Key: was sent with another body before; take a new key")
            if before.status != _UNDER_WAY:
                return Answer(before.body, before.status, REPLAYED)
            if self._clock() > until:
                raise AnswerError(409, "Idempotency-Key: the first request is still under way; try again", RETRY_AFTER)
            await asyncio.sleep(ASK_AGAIN_S)
        try:
            answer = await self._handle(request)
        except BaseException:
            await _try(kept.forget(name))
            raise
        if answer.status >= 500 or answer.status == 429:
            await _try(kept.forget(name))
        else:
            await _try(kept.keep(name, replace(mark, status=answer.status, body=answer.encode()).pack()))
        return answer


_ONCE: Final = header(
    "idempotency-key",
    {"type": "string", "minLength": 1, "maxLength": 255},
    "a request that comes again with the same key and body gets the answer of the first; where answers are kept",
)
_REFUSED: Final = Reply("the first request with this key is still under way", None, headers=RETRIED)


async def _try(call: Awaitable[None]) -> None:
    """Do without it where answers are not kept now; the request has its answer."""
    try:
        await call
    except OSError as error:
        _log.warning("an answer could not be kept under its Idempotency-Key: %s", error)


def _digest(of: bytes) -> bytes:
    return hashlib.blake2b(of, digest_size=_SIZE).digest()


def idempotent(routes: Sequence[Route], kept: KeptAnswers | None, limits: HttpConfig) -> list[Route]:
    """Let the POST routes of a protocol be repeated."""
    return [_repeatable(one, kept, limits) if one.method == "POST" else one for one in routes]


def _repeatable(route: Route, kept: KeptAnswers | None, limits: HttpConfig) -> Route:
    handle, described = Idempotent(route.handle, kept, limits), route.operations
    if kept is None or described is None:
        return replace(route, handle=handle)
    return replace(
        route,
        handle=handle,
        operations=lambda: [
            replace(one, parameters=(*one.parameters, _ONCE), replies={**one.replies, 409: _REFUSED})
            for one in described()
        ],
    )
