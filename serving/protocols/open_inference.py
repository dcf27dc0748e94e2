"""The Open Inference Protocol, version 2, with its extension for tensors as bytes.

| request | answer |
|---|---|
| GET /v2 | what the server is |
| GET /v2/health/live, /v2/health/ready | 200 while the process lives; while it can score |
| GET /v2/models/{name}, with /versions/{version} | a feature service as a model: its request fields are its inputs |
| GET the same, with /ready | 200: a model that does not fit is never served |
| POST the same, with /infer | scores and decisions of a batch, by the same path as `/v1/score` |

Inputs are the request's fields, never the model's own columns: features are looked up here as for every caller, so that a score
rests on what the store holds. The version is the champion's; an experiment's split among models goes on below it.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial, wraps
from importlib.metadata import version
from typing import Any, Final

import orjson

from contract.service import EVENT_TIMESTAMP
from serving.config import HttpConfig
from serving.protocols.admission import RETRY_AFTER
from serving.protocols.answer import Answer, AnswerError
from serving.protocols.inference_request import BINARY_SIZE, InferenceRequest, read_inference
from serving.protocols.open_inference_described import EXTENSIONS, NAME, InferenceDescribed
from serving.protocols.request import Request
from serving.protocols.router import OPEN, READ, SCORE, Handler, Route
from serving.protocols.tensors import BYTES, TAKEN, to_bytes
from serving.protocols.v1 import ScoreRows
from serving.request.schema import RequestError
from serving.scoring.batcher import DeadlineError, Part
from serving.scoring.scorer import Scorer

JSON_SIZE: Final = b"inference-header-content-length"
"""The header that says how many bytes of a body are JSON, where tensors follow as bytes."""

Output = tuple[str, str, list[Any]]
"""Name, data type and values by row."""


class OpenInference:
    """Answers clients of the Open Inference Protocol.

    Args:
        scorers: By service, which is a model's name.
        limits: How much one request may hold.
        score_rows: How rows are scored.
        now_us: The time, UTC microseconds.
    """

    def __init__(
        self,
        scorers: Mapping[str, Scorer],
        limits: HttpConfig,
        score_rows: ScoreRows,
        now_us: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        self._scorers = scorers
        self._limits = limits
        self._score_rows = score_rows
        self._now_us = now_us

    def routes(self) -> list[Route]:
        """Return the protocol's routes."""
        told = InferenceDescribed(self._scorers, self._limits)
        routes = [
            Route("GET", "/v2", self._server, READ, told.server),
            Route("GET", "/v2/health/live", _live, OPEN, told.live),
            Route("GET", "/v2/health/ready", _ready, OPEN, told.ready),
        ]
        for path, tail in (("/v2/models/{name}", ""), ("/v2/models/{name}/versions/{version}", "/versions/{version}")):
            routes += [
                Route("GET", path, _in_its_form(self._model), READ, partial(told.models, tail)),
                Route("GET", f"{path}/ready", _in_its_form(self._model_ready), READ, partial(told.readies, tail)),
                Route("POST", f"{path}/infer", _in_its_form(self._infer), SCORE, partial(told.infers, tail)),
            ]
        return routes

    async def _server(self, _: Request) -> Answer:
        return Answer({"name": NAME, "version": version("millrace"), "extensions": EXTENSIONS})

    async def _model(self, request: Request) -> Answer:
        scorer, champion = self._find(request)
        inputs = [_tensor(one.name, one.kind) for one in scorer.schema.fields]
        return Answer(
            {
                "name": scorer.service.name,
                "versions": [champion],
                "platform": "xgboost",
                "inputs": [*inputs, _tensor(EVENT_TIMESTAMP, "timestamp")],
                "outputs": [{"name": name, "datatype": kind, "shape": [-1]} for name, kind in outputs_of(scorer)],
            }
        )

    async def _model_ready(self, request: Request) -> Answer:
        return Answer({"name": self._find(request)[0].service.name, "ready": True})

    async def _infer(self, request: Request) -> Answer:
        scorer, champion = self._find(request)
        name = scorer.service.name
        body = await request.body(self._limits.max_body_bytes)
        size = _json_size(request.header(JSON_SIZE), len(body))
        asked = read_inference(body, size, scorer.schema, self._now_us(), self._limits.max_instances)
        try:
            parts = await self._score_rows(name, asked.rows, request.deadline)
        except DeadlineError as error:
            raise AnswerError(503, f"{error}; try again later, or allow more time", RETRY_AFTER) from None
        head: dict[str, Any] = {"model_name": name, "model_version": champion}
        if asked.id is not None:
            head["id"] = asked.id
        return _answer(head, _chosen(_outputs(scorer, parts), asked), asked)

    def _find(self, request: Request) -> tuple[Scorer, str]:
        name, wanted = request.names["name"], request.names.get("version")
        if name not in self._scorers:
            raise AnswerError(404, f"model {name} is not served; there are {', '.join(self._scorers)}")
        champion = self._scorers[name].setup.arms.champion.file.version
        if wanted not in (None, champion):
            raise AnswerError(404, f"model {name} is served in version {champion}, not {wanted}")
        return self._scorers[name], champion


def outputs_of(scorer: Scorer) -> list[tuple[str, str]]:
    """Return the outputs of a service with their data types; a decision where it decides."""
    decided = [("decision", BYTES)] if scorer.setup.policy else []
    return [("score", "FP32"), *decided, ("decision_id", BYTES), ("version", BYTES), ("degraded", "BOOL")]


def _outputs(scorer: Scorer, parts: Sequence[Part]) -> list[Output]:
    columns: dict[str, list[Any]] = {name: [] for name, _ in outputs_of(scorer)}
    for part in parts:
        scored = part.scored
        degraded = scored.features.degraded
        for row in range(part.start, part.start + part.size):
            columns["score"].append(scored.scores[row])
            columns["decision_id"].append(scored.ids[row])
            columns["version"].append(scored.model_of(row).file.version)
            columns["degraded"].append(degraded is not None and bool(degraded[row]))
            if scored.decisions is not None and "decision" in columns:
                columns["decision"].append(scored.decisions.names[row])
    return [(name, kind, columns[name]) for name, kind in outputs_of(scorer) if columns[name]]


def _chosen(outputs: list[Output], asked: InferenceRequest) -> list[Output]:
    if asked.outputs is None:
        return outputs
    known = {one[0]: one for one in outputs}
    for name in asked.outputs:
        if name not in known:
            raise RequestError("outputs", f"there is no output {name}; there are {', '.join(known)}")
    return [known[name] for name in asked.outputs]


def _answer(head: dict[str, Any], outputs: list[Output], asked: InferenceRequest) -> Answer:
    told, raw = [], []
    for name, kind, values in outputs:
        one: dict[str, Any] = {"name": name, "datatype": kind, "shape": [len(values)]}
        said = (asked.outputs or {}).get(name)
        if asked.is_binary if said is None else said:
            raw.append(to_bytes(values, kind))
            one["parameters"] = {BINARY_SIZE: len(raw[-1])}
        else:
            one["data"] = values
        told.append(one)
    body = {**head, "outputs": told}
    if not raw:
        return Answer(body)
    encoded = orjson.dumps(body)
    size = ((JSON_SIZE, b"%d" % len(encoded)),)
    return Answer(b"".join([encoded, *raw]), headers=size, content_type=b"application/octet-stream")


def _json_size(given: str | None, most: int) -> int | None:
    if given is None:
        return None
    if not given.isascii() or not given.isdigit() or int(given[:20]) > most:
        raise AnswerError(
            400, f"{JSON_SIZE.decode()}: expected a number of up to {most}, the body's bytes, got {given[:40]}"
        )
    return int(given[:20])


def _tensor(name: str, kind: str) -> dict[str, Any]:
    return {
        "name": name,
        "datatype": TAKEN[kind.removesuffix("[]")][0],
        "shape": [-1, -1] if kind.endswith("[]") else [-1],
    }


def _in_its_form(handle: Callable[[Request], Awaitable[Answer]]) -> Handler:
    """Send errors in the protocol's form, what does not fit as 400."""

    @wraps(handle)
    async def handled(request: Request) -> Answer:
        try:
            return await handle(request)
        except RequestError as error:
            return Answer({"error": str(error)}, 400)
        except AnswerError as error:
            return Answer({"error": str(error)}, error.status, error.headers)

    return handled


async def _live(_: Request) -> Answer:
    return Answer({"live": True})


async def _ready(_: Request) -> Answer:
    return Answer({"ready": True})
