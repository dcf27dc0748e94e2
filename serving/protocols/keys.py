"""Lets in who has a key that allows what is asked for, no more often than the key may.

A key is sent as `Authorization: Bearer ...` or as `X-API-Key`. Each replica counts for itself: with n replicas a caller may get
up to n times its rate.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hmac import compare_digest
from pathlib import Path
from typing import Final

from serving.protocols.answer import Answer, Headers, error_body
from serving.protocols.http import HttpApp
from serving.protocols.key_file import Key, KeyFileError, digest_of, read_keys
from serving.protocols.request import Receive, Scope, Send
from serving.protocols.router import OPEN
from serving.protocols.token_bucket import TokenBucket

LOOK_S: Final = 1.0
"""How often is looked whether the file has changed, seconds."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Holder:
    """Who holds a key.

    Attributes:
        key: The key.
        digest: Its digest.
        allowed: The scopes that it allows.
        bucket: Bounds how often it is taken; None for no bound.
    """

    key: Key
    digest: bytes
    allowed: frozenset[str]
    bucket: TokenBucket | None


class KeyRing:
    """The keys of a file, read again when it changes; while it cannot be used, those that were go on.

    Args:
        path: The file.
        clock: Monotonic seconds.

    Raises:
        KeyFileError: The file cannot be used.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.monotonic) -> None:
        """Read the file."""
        self._path = path
        self._clock = clock
        self._seen = _fingerprint(path)
        self._holders: dict[bytes, Holder] = {}
        self._take_over(read_keys(path))
        self._look_at = clock() + LOOK_S

    def find(self, headers: Headers) -> Holder | None:
        """Return who holds the key that a request brings; None where it brings none, several, or one that is not known."""
        given: bytes | None = None
        for name, value in headers:
            if name == b"authorization":
                if value[:7].lower() != b"bearer ":
                    return None
                value = value[7:].strip()
            elif name != b"x-api-key":
                continue
            if given is not None and given != value:
                return None
            given = value
        if given is None:
            return None
        digest = digest_of(given)
        # What is looked up is a digest, which nobody can choose: how long the look-up takes tells nothing of the keys.
        holder = self._holders.get(digest)
        return holder if holder is not None and compare_digest(holder.digest, digest) else None

    def look(self, now: float) -> None:
        """Read the file again if it has changed, at most once in `LOOK_S`."""
        if now < self._look_at:
            return
        self._look_at = now + LOOK_S
        fingerprint = _fingerprint(self._path)
        if fingerprint == self._seen:
            return
        self._seen = fingerprint
        try:
            keys = read_keys(self._path)
        except KeyFileError as error:
            _log.error("keys are not taken over, those that were go on: %s", error)
            return
        self._take_over(keys)
        _log.warning("%s: %d keys are taken over", self._path, len(keys))

    def _take_over(self, keys: Mapping[bytes, Key]) -> None:
        """Replace the holders; a bucket whose rate is as it was stays as full as it is."""
        now, before, after = self._clock(), self._holders, {}
        for digest, key in keys.items():
            known = before.get(digest)
            bucket = TokenBucket(key.per_second, key.most_at_once, now) if key.per_second else None
            if known and (known.key.per_second, known.key.burst) == (key.per_second, key.burst):
                bucket = known.bucket
            after[digest] = Holder(key, digest, key.allowed, bucket)
        self._holders = after


class Guarded:
    """An ASGI app in front of another one, which it lets be called by who may.

    Args:
        app: What answers.
        ring: The keys.
        clock: Monotonic seconds, those of the ring.

    Attributes:
        patterns: The paths that there are.
    """

    def __init__(self, app: HttpApp, ring: KeyRing, clock: Callable[[], float] = time.monotonic) -> None:
        """Take both."""
        self._app = app
        self._ring = ring
        self._clock = clock
        self.patterns = app.patterns

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one ASGI request on, or refuse it."""
        refused = self._refusal(scope) if scope["type"] == "http" else None
        if refused is None:
            await self._app(scope, receive, send)
            return
        body = refused.encode()
        headers = [(b"content-type", refused.content_type), (b"content-length", b"%d" % len(body)), *refused.headers]
        await send({"type": "http.response.start", "status": refused.status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    def _refusal(self, scope: Scope) -> Answer | None:
        wanted = self._app.scope_of(scope["method"], scope["path"])
        if wanted == OPEN:
            return None
        now = self._clock()
        self._ring.look(now)
        holder = self._ring.find(scope["headers"])
        if holder is None:
            return _NO_KEY
        if wanted not in holder.allowed:
            return Answer(error_body(f"this needs a key with scope {wanted}, not {', '.join(holder.key.scopes)}"), 403)
        wait = holder.bucket.take(now) if holder.bucket else 0.0
        return _told_to_wait(holder.key, wait) if wait else None


def _told_to_wait(key: Key, seconds: float) -> Answer:
    again = ((b"retry-after", b"%d" % max(1, math.ceil(seconds))),)
    return Answer(error_body(f"this key may send {key.per_second:g} requests a second; wait"), 429, again)


_NO_KEY: Final = Answer(
    error_body("send a key that is known, once, as 'Authorization: Bearer <key>' or as 'X-API-Key: <key>'"),
    401,
    ((b"www-authenticate", b'Bearer realm="millrace"'),),
)


def _fingerprint(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_mtime_ns, found.st_ino, found.st_size
