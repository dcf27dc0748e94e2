"""Millrace's own protocol.

| request | answer |
|---|---|
| POST /v1/score, /v1/score/{service} | score and decision of one request, or of `{"instances": [...]}`; for a ranking, the `candidates` in order |
| GET /v1/model, /v1/model/{service} | model, request fields and policy |

Without a service, the default one is meant.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, cast

from serving.config import HttpConfig
from serving.protocols.admission import RETRY_AFTER
from serving.protocols.answer import Answer, AnswerError
from serving.protocols.request import Request
from serving.protocols.router import READ, SCORE, Route
from serving.protocols.v1_described import V1Described
from serving.request.schema import CANDIDATES, CONTRIBUTIONS, EXPLAIN, Row
from serving.scoring.batcher import DeadlineError, Part
from serving.scoring.contributions import Contributions, contributions_of
from serving.scoring.scorer import Scored, Scorer, iso_timestamp

ScoreRows = Callable[[str, Sequence[Row], float | None], Awaitable[list[Part]]]
"""Scores the rows of one HTTP request for a service until its deadline, perhaps with others'."""


class V1:
    """Answers requests with the scorers of some services.

    Args:
        scorers: By service; the first is the default.
        limits: How much one request may hold.
        score_rows: How rows are scored; by default at once, each request by itself.
        now_us: The time, UTC microseconds.

    Attributes:
        score_rows: How rows are scored.
    """

    def __init__(
        self,
        scorers: Mapping[str, Scorer],
        limits: HttpConfig,
        score_rows: ScoreRows | None = None,
        now_us: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        """Note what to say of each model."""
        self._scorers = scorers
        self._limits = limits
        self._default = next(iter(scorers))
        self.score_rows = score_rows or self._score_at_once
        self._now_us = now_us

    def routes(self) -> list[Route]:
        """Return the protocol's routes."""
        described = V1Described(self._scorers, self._limits)
        return [
            Route("POST", "/v1/score", self._score, SCORE, described.default_score),
            Route("POST", "/v1/score/{service}", self._score, SCORE, described.scores),
            Route("GET", "/v1/model", self._describe, READ, described.default_model),
            Route("GET", "/v1/model/{service}", self._describe, READ, described.models),
        ]

    async def _score(self, request: Request) -> Answer:
        name, scorer = self._find(request)
        most = self._limits.max_instances
        body = await request.json(self._limits.max_body_bytes)
        schema = scorer.schema
        explain, contributions = schema.asks_for(body, EXPLAIN), schema.asks_for(body, CONTRIBUTIONS)
        if scorer.service.predicts == "ranking":
            rows, is_batch = schema.parse_candidates(body, self._now_us(), most), True
        else:
            rows, is_batch = schema.parse(body, self._now_us(), most)
        parts = await self._scored(name, rows, request.deadline)
        if request.span is not None:
            request.span.add_stages(parts)
        answers = [
            self._prediction(scorer, part.scored, row, explain)
            for part in parts
            for row in range(part.start, part.start + part.size)
        ]
        if contributions:
            for answer, one in zip(answers, await asyncio.to_thread(_contributions, parts), strict=True):
                answer[CONTRIBUTIONS] = one.as_json()
        versions = {answer["version"] for answer in answers}
        common: dict[str, object] = {"model": name, "degraded": any(map(_is_degraded, parts))}
        if len(versions) == 1 and is_batch:
            common["version"] = versions.pop()
            for answer in answers:
                del answer["version"]
        if scorer.service.predicts == "ranking":
            return Answer({**_ranking(body[CANDIDATES], answers), **common})
        return Answer({**common, "predictions": answers} if is_batch else {**answers[0], **common})

    async def _scored(self, name: str, rows: Sequence[Row], deadline: float | None) -> list[Part]:
        try:
            return await self.score_rows(name, rows, deadline)
        except DeadlineError as error:
            raise AnswerError(503, f"{error}; try again later, or allow more time", RETRY_AFTER) from None

    def _prediction(self, scorer: Scorer, scored: Scored, row: int, explain: bool) -> dict[str, object]:
        prediction: dict[str, object] = {
            "decision_id": scored.ids[row],
            "score": scored.scores[row],
            "version": scored.model_of(row).file.version,
        }
        if scored.decisions is not None:
            prediction["decision"] = scored.decisions.names[row]
            if reasons := scored.decisions.reasons.get(row):
                prediction["reasons"] = reasons
        if scored.arms is not None:
            prediction["arm"] = scored.arm_of(row)
        prediction["event_timestamp"] = iso_timestamp(int(scored.features.event_timestamp_us[row]))
        if scored.features.missing:
            counts = scored.features.missing_counts(row)
            if counts:
                prediction["missing_counts"] = counts
        if stale := [view for view, is_stale in scored.features.stale.items() if is_stale[row]]:
            prediction["stale_views"] = stale
        return {**prediction, **scorer.explain(scored, row)} if explain else prediction

    async def _score_at_once(self, name: str, rows: Sequence[Row], _: float | None) -> list[Part]:
        return [Part(self._scorers[name].score(rows), 0, len(rows))]

    async def _describe(self, request: Request) -> Answer:
        return Answer(self._find(request)[1].describe())

    def _find(self, request: Request) -> tuple[str, Scorer]:
        name = request.names.get("service", self._default)
        if name not in self._scorers:
            raise AnswerError(404, f"service {name} is not served; there are {', '.join(self._scorers)}")
        return name, self._scorers[name]


def _contributions(parts: Sequence[Part]) -> list[Contributions]:
    return [one for part in parts for one in contributions_of(part.scored, range(part.start, part.start + part.size))]


def _is_degraded(part: Part) -> bool:
    """Say whether a row of the part rests on features that could not be read, or are older than allowed."""
    degraded = part.scored.features.degraded
    return degraded is not None and bool(degraded[part.start : part.start + part.size].any())


def _ranking(given: Sequence[dict[str, Any]], answers: Sequence[dict[str, object]]) -> dict[str, object]:
    """Return the candidates by falling score, each with its own fields; equal scores stay in the given order."""
    order = sorted(range(len(given)), key=lambda index: -cast(float, answers[index]["score"]))
    at = answers[0]["event_timestamp"]
    for answer in answers:
        del answer["event_timestamp"]
    return {"ranking": [{**given[one], "index": one, **answers[one]} for one in order], "event_timestamp": at}
