"""Takes back what really happened after a decision.

| request | answer |
|---|---|
| POST /v1/outcomes, /v1/outcomes/{service} | 202 for one outcome, or for `{"outcomes": [...]}`: they will be recorded |

An outcome is `{"decision_id": ..., "outcome": ..., "value": ..., "event_timestamp": ...}`, the last two optional. Ids of decisions
that nobody knows are taken as well: the decision may be known later.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from serving.config import HttpConfig
from serving.protocols.admission import RETRY_AFTER
from serving.protocols.answer import Answer, AnswerError
from serving.protocols.described import RETRY_AFTER as RETRIED
from serving.protocols.described import Operation, Reply
from serving.protocols.request import Request
from serving.protocols.router import SCORE, Route
from serving.recording.outcomes import Outcome, OutcomeRecord
from serving.request.fields import TIMESTAMP_EXAMPLE, UnfitValueError, describe, to_float64, to_timestamp
from serving.request.schema import RequestError

LIST = "outcomes"
KEYS = ("decision_id", "outcome", "value", "event_timestamp")
MOST_ID = 200
"""Most characters of a decision's id."""


class Outcomes:
    """Answers those who tell outcomes.

    Args:
        records: By service; the first is the default.
        binary: The services whose outcomes are 0 or 1.
        limits: How much one request may hold.
        now_us: The time, UTC microseconds.
    """

    def __init__(
        self,
        records: Mapping[str, OutcomeRecord],
        binary: frozenset[str],
        limits: HttpConfig,
        now_us: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        self._records = records
        self._binary = binary
        self._limits = limits
        self._default = next(iter(records))
        self._now_us = now_us

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("POST", "/v1/outcomes", self._take, SCORE, lambda: [self._described(self._default, None)]),
            Route("POST", "/v1/outcomes/{service}", self._take, SCORE, self._all_described),
        ]

    def _all_described(self) -> list[Operation]:
        return [self._described(name, f"/v1/outcomes/{name}") for name in self._records]

    def _described(self, name: str, path: str | None) -> Operation:
        outcome = {"enum": [0, 1, False, True]} if name in self._binary else {"type": ["number", "boolean"]}
        one = {
            "type": "object",
            "required": ["decision_id", "outcome"],
            "additionalProperties": False,
            "properties": {
                "decision_id": {"type": "string", "minLength": 1, "maxLength": MOST_ID},
                "outcome": outcome,
                "value": {"type": ["number", "null"]},
                "event_timestamp": {"type": ["string", "null"], "format": "date-time", "examples": [TIMESTAMP_EXAMPLE]},
            },
        }
        several = {"type": "array", "minItems": 1, "maxItems": self._limits.max_instances, "items": one}
        taken = {"type": "object", "required": ["accepted"], "properties": {"accepted": {"type": "integer"}}}
        return Operation(
            summary=f"Tell what happened after decisions of {name}",
            tag="v1",
            body={"anyOf": [one, {"type": "object", "required": [LIST], "properties": {LIST: several}}]},
            example={"decision_id": "904241514fdc4567-7", "outcome": 1},
            replies={
                202: Reply("they will be recorded", taken),
                415: Reply("the content-type is not application/json", None),
                422: Reply("a field is missing or does not fit", None),
                503: Reply("there is no room for them now", None, headers=RETRIED),
            },
            path=path,
        )

    async def _take(self, request: Request) -> Answer:
        service = request.names.get("service", self._default)
        if service not in self._records:
            raise AnswerError(404, f"service {service} is not served; there are {', '.join(self._records)}")
        request.require_json()
        body = await request.json(self._limits.max_body_bytes)
        now_us = self._now_us()
        outcomes = [
            parse_outcome(one, now_us, service in self._binary, at)
            for at, one in _several(body, self._limits.max_instances)
        ]
        if not self._records[service].append(outcomes, now_us):
            raise AnswerError(503, "outcomes are not written as fast as they come; send these again later", RETRY_AFTER)
        return Answer({"accepted": len(outcomes)}, 202)


def parse_outcome(body: object, now_us: int, is_binary: bool, at: str = "") -> Outcome:
    """Check one outcome; `at` is put before a field's name in an error.

    Raises:
        RequestError: A field is missing, unknown or does not fit.
    """
    if not isinstance(body, dict):
        raise RequestError(at.rstrip(".") or None, f"expected a JSON object, got {describe(body)}")
    for name in body:
        if name not in KEYS:
            raise RequestError(at + name, f"is not known; write some of {', '.join(KEYS)}")
    for name in KEYS[:2]:
        if name not in body:
            raise RequestError(at + name, "is missing; write the decision's id, and what happened")
    name, (decision_id, outcome, value, when) = "decision_id", (body.get(key) for key in KEYS)
    if not isinstance(decision_id, str) or not 0 < len(decision_id) <= MOST_ID:
        raise RequestError(at + name, f"expected the text that the decision came with, got {describe(decision_id)}")
    try:
        name = "outcome"
        happened = _to_outcome(outcome, is_binary)
        name = "value"
        worth = None if value is None else to_float64(value)
        name = "event_timestamp"
        return Outcome(decision_id, happened, worth, now_us if when is None else to_timestamp(when))
    except UnfitValueError as error:
        raise RequestError(at + name, str(error)) from None


def _to_outcome(value: object, is_binary: bool) -> float:
    if isinstance(value, bool):
        return float(value)
    if is_binary and not (isinstance(value, int | float) and value in (0, 1)):
        raise UnfitValueError(f"expected true or false, or 1 or 0, got {describe(value)}")
    return to_float64(value)


def _several(body: object, most: int) -> list[tuple[str, object]]:
    """Return the outcomes of a body, each with what is put before its fields' names."""
    if not isinstance(body, dict) or LIST not in body:
        return [("", body)]
    given = body[LIST]
    if not isinstance(given, list) or not given:
        raise RequestError(LIST, f"expected a list of at least one object, got {describe(given)}")
    if len(given) > most:
        raise RequestError(LIST, f"expected at most {most} objects, got {len(given)}; send several")
    return [(f"{LIST}[{index}].", one) for index, one in enumerate(given)]
