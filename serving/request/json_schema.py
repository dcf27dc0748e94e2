"""What `serving.request.fields` and `schema` accept, as JSON schemas, and a request that fits them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from contract.service import EVENT_TIMESTAMP, Service
from serving.request.fields import FLOAT32_MAX, INT32_MAX, INT32_MIN, INT64_MAX, INT64_MIN, TIMESTAMP_EXAMPLE
from serving.request.schema import CANDIDATES, CONTRIBUTIONS, EXPLAIN, INSTANCES, RequestSchema

Schema = dict[str, Any]

KINDS: Final[Mapping[str, Schema]] = {
    "int64": {"type": "integer", "format": "int64", "minimum": INT64_MIN, "maximum": INT64_MAX},
    "int32": {"type": "integer", "format": "int32", "minimum": INT32_MIN, "maximum": INT32_MAX},
    "float64": {"type": "number", "format": "double"},
    "float32": {"type": "number", "format": "float", "minimum": -FLOAT32_MAX, "maximum": FLOAT32_MAX},
    "string": {"type": "string"},
    "bool": {"type": "boolean"},
    "timestamp": {
        "type": "string",
        "format": "date-time",
        "description": "ISO 8601; UTC where it names no zone",
    },
}
"""By kind of a field; a list of one is made by `kind_schema`."""

_EXAMPLES: Final[Mapping[str, Any]] = {
    "int64": 1,
    "int32": 1,
    "float64": 0.5,
    "float32": 0.5,
    "string": "a",
    "bool": True,
    "timestamp": TIMESTAMP_EXAMPLE,
}


def kind_schema(kind: str) -> Schema:
    """Return the schema of a kind that a request can carry.

    >>> kind_schema("bool[]")
    {'type': 'array', 'items': {'type': 'boolean'}}
    """
    if kind.endswith("[]"):
        return {"type": "array", "items": kind_schema(kind[:-2])}
    return dict(KINDS[kind])


def row_schema(schema: RequestSchema) -> Schema:
    """Return the schema of one request; fields that are not known are passed over."""
    properties = {one.name: {**kind_schema(one.kind), "title": _role(one.is_key)} for one in schema.fields}
    at: Schema = {**KINDS["timestamp"], "type": ["string", "null"]}
    at["description"] = "when it happened: ISO 8601, UTC where it names no zone; left out or null, the time of arrival"
    return {
        "type": "object",
        "required": [one.name for one in schema.fields],
        "properties": {**properties, EVENT_TIMESTAMP: at},
    }


def body_schema(schema: RequestSchema, most: int) -> Schema:
    """Return the schema of a body: one request, or up to `most` instances."""
    row = row_schema(schema)
    alone: Schema = {**row, "properties": {**row["properties"], **_ASKED}, "not": {"required": [INSTANCES]}}
    listed = {"type": "array", "minItems": 1, "maxItems": most, "items": row}
    many: Schema = {"type": "object", "required": [INSTANCES], "properties": {INSTANCES: listed, **_ASKED}}
    return {"anyOf": [{"title": "one", **alone}, {"title": "many", **many}]}


def ranking_schema(schema: RequestSchema, most: int) -> Schema:
    """Return the schema of a ranking's body: up to `most` candidates, and beside them the fields that all share."""
    row = row_schema(schema)
    candidate = {"type": "object", "properties": row["properties"]}
    listed = {
        "type": "array",
        "minItems": 1,
        "maxItems": most,
        "items": candidate,
        "description": f"each with those of {', '.join(row['required'])} that it does not share with the others",
    }
    return {
        "type": "object",
        "required": [CANDIDATES],
        "properties": {**row["properties"], **_ASKED, CANDIDATES: listed},
        "allOf": [_in_either_place(name) for name in row["required"]],
    }


def example_row(schema: RequestSchema) -> dict[str, Any]:
    """Return a request that fits, with made-up values."""
    return {one.name: _example(one.kind) for one in schema.fields}


def example_columns(service: Service) -> dict[str, list[Any]]:
    """Return one row of what Feast needs of a service, by column: nothing is filled for its callers."""
    kinds = dict(service.keys) | {one.name: one.kind for one in service.request}
    return {name: [_example(kind)] for name, kind in kinds.items()}


def example_ranking(schema: RequestSchema) -> dict[str, Any]:
    """Return a ranking's body that fits, every field in the candidate."""
    return {CANDIDATES: [example_row(schema)]}


_ASKED: Final[Schema] = {
    EXPLAIN: {"type": "boolean", "description": "whether to answer with the features"},
    CONTRIBUTIONS: {"type": "boolean", "description": "whether to answer with how much each feature moved the score"},
}


def _in_either_place(name: str) -> Schema:
    in_each = {"properties": {CANDIDATES: {"items": {"required": [name]}}}}
    return {"anyOf": [{"required": [name]}, in_each]}


def _example(kind: str) -> Any:
    return [] if kind.endswith("[]") else _EXAMPLES[kind]


def _role(is_key: bool) -> str:
    return "join key" if is_key else "request data"
