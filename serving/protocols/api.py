"""The HTTP interface, as a plain ASGI app: a framework's routing and models cost more here than the scoring.

| request | answer |
|---|---|
| POST /v1/score | score and decision of one request, or of `{"instances": [...]}` |
| GET /v1/model | model, request fields and policy |
| GET /healthz | 200 while the process lives |
| GET /readyz | 200, or 503 with the reasons, when it cannot score with all features |

Every error is `{"error": {"field": ..., "message": ...}}`: 400 for what is no JSON, 413, 422 for a field.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any

from serving.request.schema import RequestError, Row
from serving.scoring.scorer import Scored, Scorer, iso_timestamp

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
ScoreRows = Callable[[Sequence[Row]], Awaitable[tuple[Scored, int]]]
"""Scores the rows of one HTTP request, perhaps with others'; returns the scores and where this request's rows begin."""

_log = logging.getLogger(__name__)
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


class BodyError(ValueError):
    """A body that is no JSON, or is too large.

    Attributes:
        status: The HTTP status to answer with.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


class ScoringApi:
    """Answers HTTP requests with a scorer.

    Args:
        scorer: Features, model and policy.
        score_rows: How rows are scored; by default at once, each request by itself.
        now_us: The time, UTC microseconds.
    """

    def __init__(
        self,
        scorer: Scorer,
        score_rows: ScoreRows | None = None,
        now_us: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        self._scorer = scorer
        self._score_rows = score_rows or self._score_at_once
        self._now_us = now_us
        self._model = {"model": scorer.model.service, "version": scorer.model.version}
        self._routes: dict[str, tuple[str, Callable[[Receive], Awaitable[tuple[int, object]]]]] = {
            "/v1/score": ("POST", self._score),
            "/v1/model": ("GET", self._describe),
            "/healthz": ("GET", self._health),
            "/readyz": ("GET", self._ready),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one ASGI request."""
        if scope["type"] != "http":
            return
        path = scope["path"]
        method, handle = self._routes.get(path, ("", None))
        if handle is None:
            status = 404
            answer: object = _error(f"{path}: no such path; there are {', '.join(self._routes)}")
        elif scope["method"] != method:
            status, answer = 405, _error(f"{path}: answers {method}, not {scope['method']}")
        else:
            status, answer = await self._answer(handle, receive)
        body = _encode(answer).encode()
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        if status == 405:
            headers.append((b"allow", method.encode()))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _answer(
        self, handle: Callable[[Receive], Awaitable[tuple[int, object]]], receive: Receive
    ) -> tuple[int, object]:
        try:
            return await handle(receive)
        except RequestError as error:
            return 422, _error(error.message, error.field)
        except BodyError as error:
            return error.status, _error(str(error))
        except Exception:
            _log.exception("a request could not be answered")
            return 500, _error("the service failed; its log says why")

    async def _score(self, receive: Receive) -> tuple[int, object]:
        http = self._scorer.config.http
        body = parse_json(await read_body(receive, http.max_body_bytes))
        schema = self._scorer.schema
        explain = schema.wants_features(body)
        rows, is_batch = schema.parse(body, self._now_us(), http.max_instances)
        scored, start = await (self._score_at_once(rows) if is_batch else self._score_rows(rows))
        answers = [self._prediction(scored, start + offset, explain) for offset in range(len(rows))]
        common = {**self._model, "degraded": scored.features.degraded}
        return 200, {**common, "predictions": answers} if is_batch else {**answers[0], **common}

    def _prediction(self, scored: Scored, row: int, explain: bool) -> dict[str, object]:
        prediction: dict[str, object] = {
            "score": scored.scores[row],
            "decision": scored.decisions[row],
            "event_timestamp": iso_timestamp(int(scored.features.event_timestamp_us[row])),
        }
        return {**prediction, **self._scorer.explain(scored, row)} if explain else prediction

    async def _score_at_once(self, rows: Sequence[Row]) -> tuple[Scored, int]:
        return self._scorer.score(rows), 0

    async def _describe(self, _: Receive) -> tuple[int, object]:
        return 200, self._scorer.describe()

    async def _health(self, _: Receive) -> tuple[int, object]:
        return 200, {"status": "alive"}

    async def _ready(self, _: Receive) -> tuple[int, object]:
        reasons = self._scorer.failures()
        return (503, {"status": "not ready", "reasons": reasons}) if reasons else (200, {"status": "ready"})


async def read_body(receive: Receive, most: int) -> bytes:
    """Read a request's body.

    Raises:
        BodyError: It has more than `most` bytes, or the caller went away.
    """
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body", False) and len(body) <= most:
        message = await receive()
        body += message.get("body", b"")
    if message["type"] == "http.disconnect":
        raise BodyError(400, "the caller went away")
    if len(body) > most:
        raise BodyError(413, f"the body has more than {most} bytes; send several batches")
    return body


def parse_json(body: bytes) -> object:
    """Parse a body strictly: NaN and Infinity are no JSON.

    Raises:
        BodyError: It is no JSON.
    """
    try:
        return _DECODER.decode(body.decode())
    except (ValueError, RecursionError) as error:
        raise BodyError(400, f"the body is no JSON: {error}") from None


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no JSON number; leave the value out or send a finite one")


_DECODER = json.JSONDecoder(parse_constant=_refuse_constant)


def _error(message: str, field: str | None = None) -> dict[str, object]:
    return {"error": {"field": field, "message": message}}
