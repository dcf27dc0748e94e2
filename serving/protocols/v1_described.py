"""Describes Millrace's own protocol, each served feature service with the fields, decisions and features that it has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from serving.config import HttpConfig
from serving.protocols.described import RETRY_AFTER, Operation, Reply, Schema, header
from serving.request.fields import TIMESTAMP_EXAMPLE
from serving.request.json_schema import body_schema, example_ranking, example_row, ranking_schema
from serving.scoring.scorer import Scorer

_WAITS: Final = header(
    "x-request-timeout-seconds",
    {"type": "string", "examples": ["0.05"]},
    "how long the caller waits, seconds; what would come later is not scored. What is no positive number is passed over",
)
_AT: Final[Schema] = {"type": "string", "format": "date-time", "examples": [TIMESTAMP_EXAMPLE]}
_UNFIT: Final = Reply("a field is missing or does not fit", None)
_LATE: Final = Reply("its turn would have come too late", None, headers=RETRY_AFTER)


class V1Described:
    """Describes the routes of `serving.protocols.v1.V1`.

    Args:
        scorers: By service; the first is the default.
        limits: How much one request may hold.
    """

    def __init__(self, scorers: Mapping[str, Scorer], limits: HttpConfig) -> None:
        """Take what is served."""
        self._scorers = scorers
        self._limits = limits

    def default_score(self) -> list[Operation]:
        """Describe POST /v1/score."""
        return [self._score(next(iter(self._scorers)), None)]

    def scores(self) -> list[Operation]:
        """Describe POST /v1/score/{service}."""
        return [self._score(name, f"/v1/score/{name}") for name in self._scorers]

    def default_model(self) -> list[Operation]:
        """Describe GET /v1/model."""
        return [_model(next(iter(self._scorers)), None)]

    def models(self) -> list[Operation]:
        """Describe GET /v1/model/{service}."""
        return [_model(name, f"/v1/model/{name}") for name in self._scorers]

    def _score(self, name: str, path: str | None) -> Operation:
        scorer, most = self._scorers[name], self._limits.max_instances
        is_ranking = scorer.service.predicts == "ranking"
        schema = scorer.schema
        what = "Rank candidates" if is_ranking else "Score one request or many"
        return Operation(
            summary=f"{what} with {name}",
            tag="v1",
            description=(
                f"Fields that are not known are passed over. At most {most} {'candidates' if is_ranking else 'instances'},"
                f" {self._limits.max_body_bytes} bytes, {self._limits.budget_ms:g} ms."
            ),
            body=ranking_schema(schema, most) if is_ranking else body_schema(schema, most),
            example=example_ranking(schema) if is_ranking else example_row(schema),
            parameters=(_WAITS,),
            replies={
                200: Reply("the score", _ranking(scorer) if is_ranking else _scored(scorer)),
                422: _UNFIT,
                503: _LATE,
            },
            path=path,
        )


def _model(name: str, path: str | None) -> Operation:
    body = {
        "type": "object",
        "required": ["name", "version", "predicts", "columns", "request", "policy", "metrics"],
        "properties": {
            "name": {"const": name},
            "version": {"type": "string"},
            "columns": {"type": "array", "items": {"type": "string"}},
            "request": {"type": "array", "items": {"type": "object", "required": ["name", "type", "required", "role"]}},
            "metrics": {"type": "object"},
        },
    }
    return Operation(f"Model, request and policy of {name}", "v1", {200: Reply("the model", body)}, path=path)


def _common(scorer: Scorer) -> dict[str, Any]:
    return {
        "model": {"const": scorer.service.name},
        "degraded": {
            "type": "boolean",
            "description": "whether features are missing or old because something behind the service failed",
        },
    }


def _prediction(scorer: Scorer) -> dict[str, Any]:
    """Describe what each row gets; a decision is there where the service decides."""
    score: dict[str, Any] = {"type": "number"}
    if scorer.service.predicts == "binary":
        score |= {"minimum": 0, "maximum": 1}
    counts = {"type": "object", "additionalProperties": {"type": "integer", "minimum": 1}}
    missing = {
        "type": "array",
        "items": {
            "type": "object",
            "required": ["feature", "reason"],
            "properties": {"feature": {"type": "string"}, "reason": {"type": "string"}},
        },
    }
    described: dict[str, Any] = {
        "decision_id": {"type": "string", "description": "by which its outcome is told, and its record found"},
        "score": score,
        "version": {"type": "string", "description": "of the model; beside the predictions where all have the same"},
        "arm": {"type": "string", "description": "the alias of the model, where there are several"},
        "missing_counts": {**counts, "description": "stored features without a value, by reason; where there are such"},
        "features": {"type": "object", "description": "the features, where they were asked for"},
        "contributions": {
            "type": "object",
            "description": "how much each feature moved the margin, the strongest first; where they were asked for",
        },
        "missing": {**missing, "description": "which have no value and why, where features were asked for"},
    }
    if scorer.setup.policy is None:
        return described
    reasons = {"type": "array", "items": {"type": "string"}, "description": "of the rules that decided, if any did"}
    return {**described, "decision": {"type": "string"}, "reasons": reasons}


def _required(scorer: Scorer) -> list[str]:
    return ["decision_id", "score", "decision"] if scorer.setup.policy else ["decision_id", "score"]


def _scored(scorer: Scorer) -> Schema:
    one = {**_prediction(scorer), "event_timestamp": _AT}
    needed = [*_required(scorer), "event_timestamp"]
    common = _common(scorer)
    many = {"type": "array", "minItems": 1, "items": {"type": "object", "required": needed, "properties": one}}
    return {
        "anyOf": [
            {
                "type": "object",
                "title": "one",
                "required": [*needed, "version", *common],
                "properties": {**one, **common},
            },
            {
                "type": "object",
                "title": "many",
                "required": ["predictions", *common],
                "properties": {**common, "predictions": many},
            },
        ]
    }


def _ranking(scorer: Scorer) -> Schema:
    common = _common(scorer)
    place = {"type": "integer", "minimum": 0, "description": "the place in which the candidate was sent"}
    told = _prediction(scorer)
    for name in (
        "features",
        "missing",
        "missing_counts",
        "contributions",
    ):  # a candidate may have a field of that name, which comes back
        told[name] = {"description": told[name]["description"]}
    one = {"type": "object", "required": [*_required(scorer), "index"], "properties": {**told, "index": place}}
    return {
        "type": "object",
        "required": ["ranking", "event_timestamp", *common],
        "properties": {
            **common,
            "event_timestamp": _AT,
            "ranking": {"type": "array", "minItems": 1, "items": one, "description": "by falling score"},
        },
    }
