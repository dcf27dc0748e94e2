"""Describes the Open Inference Protocol, each served feature service as a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from serving.config import HttpConfig
from serving.protocols.described import ERROR, RETRY_AFTER, Operation, Reply, Schema
from serving.protocols.tensors import DTYPES, TAKEN
from serving.request.json_schema import example_row
from serving.scoring.scorer import Scorer

NAME: Final = "millrace"
EXTENSIONS: Final = ["binary_tensor_data"]
TAG: Final = "Open Inference Protocol"

_TEXT: Final[Schema] = {"type": "object", "required": ["error"], "properties": {"error": {"type": "string"}}}
_ERROR: Final[Schema] = {"anyOf": [_TEXT, ERROR]}
_TYPES: Final = [*DTYPES, "BYTES"]
_SHAPE: Final[Schema] = {"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 2}
_DATA: Final[Schema] = {"type": "array", "description": "in row-major order, flat or a list a row"}


def _object(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": required, "properties": properties}


_STRING: Final[Schema] = {"type": "string"}
_TRUE: Final[Schema] = {"const": True}
_TENSOR: Final = _object(
    ["name", "datatype", "shape"],
    name=_STRING,
    datatype={"enum": _TYPES},
    shape={"type": "array", "items": {"type": "integer"}},
)
_TENSORS: Final[Schema] = {"type": "array", "items": _TENSOR}
_OUTPUT: Final = {
    **_TENSOR,
    "properties": {**_TENSOR["properties"], "data": {"type": "array"}, "parameters": {"type": "object"}},
}


class InferenceDescribed:
    """Describes the routes of `serving.protocols.open_inference.OpenInference`.

    Args:
        scorers: By service, which is a model's name.
        limits: How much one request may hold.
    """

    def __init__(self, scorers: Mapping[str, Scorer], limits: HttpConfig) -> None:
        """Take what is served."""
        self._scorers = scorers
        self._limits = limits

    def server(self) -> list[Operation]:
        """Describe GET /v2."""
        body = _object(
            ["name", "version", "extensions"], name=_STRING, version=_STRING, extensions={"const": EXTENSIONS}
        )
        return [Operation("What the server is", TAG, {200: Reply("name, version, extensions", body)})]

    def live(self) -> list[Operation]:
        """Describe GET /v2/health/live."""
        return [Operation("Whether the server lives", TAG, {200: Reply("it does", _object(["live"], live=_TRUE))})]

    def ready(self) -> list[Operation]:
        """Describe GET /v2/health/ready."""
        return [Operation("Whether it can score", TAG, {200: Reply("it can", _object(["ready"], ready=_TRUE))})]

    def models(self, tail: str) -> list[Operation]:
        """Describe GET /v2/models/{name}."""
        body = _object(
            ["name", "versions", "platform", "inputs", "outputs"],
            name=_STRING,
            versions={"type": "array", "items": _STRING},
            platform=_STRING,
            inputs=_TENSORS,
            outputs=_TENSORS,
        )
        return self._each(
            tail,
            lambda name, path: Operation(f"Inputs and outputs of {name}", TAG, {200: Reply("them", body)}, path=path),
        )

    def readies(self, tail: str) -> list[Operation]:
        """Describe GET /v2/models/{name}/ready."""
        body = _object(["name", "ready"], name=_STRING, ready=_TRUE)
        return self._each(
            f"{tail}/ready",
            lambda name, path: Operation(f"Whether {name} can score", TAG, {200: Reply("it can", body)}, path=path),
        )

    def infers(self, tail: str) -> list[Operation]:
        """Describe POST /v2/models/{name}/infer."""
        return self._each(f"{tail}/infer", self._infer)

    def _infer(self, name: str, path: str) -> Operation:
        schema = self._scorers[name].schema
        tensor = _object(
            ["name", "datatype", "shape"],
            name={"type": "string"},
            datatype={"enum": _TYPES},
            shape=_SHAPE,
            data=_DATA,
            parameters={"type": "object"},
        )
        fields = [f"{one.name} ({TAKEN[one.kind.removesuffix('[]')][0]})" for one in schema.fields]
        body = _object(
            ["inputs"],
            id=_STRING,
            parameters={"type": "object"},
            inputs={"type": "array", "minItems": 1, "items": tensor},
            outputs={
                "type": "array",
                "minItems": 1,
                "items": _object(["name"], name=_STRING, parameters={"type": "object"}),
            },
        )
        answer = _object(
            ["model_name", "model_version", "outputs"],
            model_name={"const": name},
            model_version=_STRING,
            id=_STRING,
            outputs={"type": "array", "items": _OUTPUT},
        )
        row = example_row(schema)
        example = [
            {
                "name": one.name,
                "datatype": TAKEN[one.kind.removesuffix("[]")][0],
                "shape": [1, 0] if one.kind.endswith("[]") else [1],
                "data": row[one.name] if one.kind.endswith("[]") else [row[one.name]],
            }
            for one in schema.fields
        ]
        return Operation(
            f"Score a batch with {name}",
            TAG,
            {
                200: Reply("scores and decisions; where outputs are asked for as bytes, these follow the JSON", answer),
                400: Reply("a tensor is missing or does not fit", _ERROR),
                503: Reply("its turn would have come too late", _ERROR, headers=RETRY_AFTER),
            },
            description=f"Inputs are {', '.join(fields)}, and event_timestamp (BYTES, ISO 8601), which may be left out.",
            body=body,
            example={"inputs": example},
            path=path,
            error=_ERROR,
        )

    def _each(self, tail: str, describe: Callable[[str, str], Operation]) -> list[Operation]:
        found = []
        for name, scorer in self._scorers.items():
            version = scorer.setup.arms.champion.file.version
            found.append(describe(name, f"/v2/models/{name}{tail}".replace("{version}", version)))
        return found
