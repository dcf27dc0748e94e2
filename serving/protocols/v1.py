"""Millrace's own protocol.

| request | answer |
|---|---|
| POST /v1/score, /v1/score/{service} | score and decision of one request, or of `{"instances": [...]}`; for a ranking, the `candidates` in order |
| GET /v1/model, /v1/model/{service} | model, request fields and policy |

Without a service, the default one is meant.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from serving.config import HttpConfig
from serving.protocols.http import AnswerError, Names, Receive, Route, read_json
from serving.request.schema import CANDIDATES, Row
from serving.scoring.scorer import Scored, Scorer, iso_timestamp

ScoreRows = Callable[[str, Sequence[Row]], Awaitable[tuple[Scored, int]]]
"""Scores the rows of one HTTP request for a service, perhaps with others'; returns the scores and where these rows begin."""


class V1:
    """Answers requests with the scorers of some services.

    Args:
        scorers: By service; the first is the default.
        limits: How much one request may hold.
        score_rows: How rows are scored; by default at once, each request by itself.
        now_us: The time, UTC microseconds.
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
        self._score_rows = score_rows or self._score_at_once
        self._now_us = now_us
        self._model = {n: {"model": n, "version": one.model.file.version} for n, one in scorers.items()}

    def routes(self) -> list[Route]:
        """Return the protocol's routes."""
        return [
            Route("POST", "/v1/score", self._score),
            Route("POST", "/v1/score/{service}", self._score),
            Route("GET", "/v1/model", self._describe),
            Route("GET", "/v1/model/{service}", self._describe),
        ]

    async def _score(self, receive: Receive, names: Names) -> tuple[int, object]:
        name, scorer = self._find(names)
        most = self._limits.max_instances
        body = await read_json(receive, self._limits.max_body_bytes)
        schema = scorer.schema
        explain = schema.wants_features(body)
        if scorer.service.predicts == "ranking":
            rows = schema.parse_candidates(body, self._now_us(), most)
            return 200, self._ranking(name, body, *await self._score_rows(name, rows), explain)
        rows, is_batch = schema.parse(body, self._now_us(), most)
        scored, start = await (self._score_at_once(name, rows) if is_batch else self._score_rows(name, rows))
        answers = [self._prediction(scorer, scored, start + offset, explain) for offset in range(len(rows))]
        common = {**self._model[name], "degraded": scored.features.degraded}
        return 200, {**common, "predictions": answers} if is_batch else {**answers[0], **common}

    def _prediction(self, scorer: Scorer, scored: Scored, row: int, explain: bool) -> dict[str, object]:
        prediction: dict[str, object] = {"score": scored.scores[row]}
        if scored.decisions is not None:
            prediction["decision"] = scored.decisions[row]
        prediction["event_timestamp"] = iso_timestamp(int(scored.features.event_timestamp_us[row]))
        if scored.features.missing:
            counts = scored.features.missing_counts(row)
            if counts:
                prediction["missing_counts"] = counts
        return {**prediction, **scorer.explain(scored, row)} if explain else prediction

    def _ranking(self, name: str, body: Any, scored: Scored, start: int, explain: bool) -> dict[str, object]:
        """Return the candidates by falling score, each with its own fields; equal scores stay in the given order."""
        scorer, given = self._scorers[name], body[CANDIDATES]
        order = sorted(range(len(given)), key=lambda index: -scored.scores[start + index])
        ranking = []
        for index in order:
            prediction = self._prediction(scorer, scored, start + index, explain)
            del prediction["event_timestamp"]
            ranking.append({**given[index], "index": index, **prediction})
        at = iso_timestamp(int(scored.features.event_timestamp_us[start]))
        return {"ranking": ranking, "event_timestamp": at, **self._model[name], "degraded": scored.features.degraded}

    async def _score_at_once(self, name: str, rows: Sequence[Row]) -> tuple[Scored, int]:
        return self._scorers[name].score(rows), 0

    async def _describe(self, _: Receive, names: Names) -> tuple[int, object]:
        return 200, self._find(names)[1].describe()

    def _find(self, names: Names) -> tuple[str, Scorer]:
        name = names.get("service", self._default)
        if name not in self._scorers:
            raise AnswerError(404, f"service {name} is not served; there are {', '.join(self._scorers)}")
        return name, self._scorers[name]
