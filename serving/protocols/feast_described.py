"""Describes Feast's feature-server API."""

from __future__ import annotations

from typing import Any, Final

from serving.protocols.described import ERROR, RETRY_AFTER, Operation, Reply, Schema

TAG: Final = "feast"

_FORM: Final[Schema] = {
    "anyOf": [
        ERROR,
        {"type": "string", "description": "an error of Feast, as text that holds JSON: module, class and message"},
    ]
}
_COLUMNS: Final[Schema] = {
    "type": "object",
    "minProperties": 1,
    "additionalProperties": {"type": "array", "minItems": 1},
    "description": "a list of values by column, all of one length; a time is ISO 8601, or seconds since 1970",
}
_NAMES: Final[Schema] = {
    "type": "array",
    "minItems": 1,
    "items": {"type": "string", "pattern": "^[^:]+:[^:]+$", "examples": ["view:feature"]},
}
_FLAG: Final[Schema] = {"type": "boolean", "default": False}
_STATUSES: Final = ["PRESENT", "NULL_VALUE", "NOT_FOUND", "OUTSIDE_MAX_AGE", "INVALID"]
_ROWS: Final[Schema] = {"type": "integer", "minimum": 0}
_RETRY: Final = Reply(
    "the online store does not answer, or the request's turn came too late", _FORM, headers=RETRY_AFTER
)
_UNFIT: Final = Reply("a field is missing or does not fit", _FORM)


def _object(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": required, "properties": properties}


_VECTOR: Final = _object(
    ["values", "statuses"],
    values={"type": "array", "description": "one for each row of entities, null where there is none"},
    statuses={"type": "array", "items": {"enum": _STATUSES}},
    event_timestamps={"type": "array", "items": {"type": "string"}},
)
_FEATURES: Final = _object(
    ["results", "metadata"],
    results={"type": "array", "items": _VECTOR, "description": "one for each of metadata.feature_names"},
    metadata=_object(["feature_names"], feature_names={"type": "array", "items": {"type": "string"}}),
    status={"type": "boolean"},
)

GET_ONLINE_FEATURES: Final = Operation(
    "Read features",
    TAG,
    {
        200: Reply("the features", _FEATURES),
        404: Reply("no such feature service, view or feature", _FORM),
        422: _UNFIT,
        503: _RETRY,
    },
    description="Of a feature service, or of a list of features; entities are the join keys and what on-demand views ask for.",
    body={
        **_object(
            ["entities"],
            entities=_COLUMNS,
            feature_service={"type": ["string", "null"]},
            features=_NAMES,
            full_feature_names=_FLAG,
            include_feature_view_version_metadata=_FLAG,
        ),
        "anyOf": [
            {"required": ["feature_service"], "properties": {"feature_service": {"type": "string"}}},
            {"required": ["features"]},
        ],
    },
    error=_FORM,
)

PUSH: Final = Operation(
    "Push rows into the online store",
    TAG,
    {
        200: Reply(
            "what became of the rows, over all views of the push source",
            _object(["written", "stale", "superseded"], written=_ROWS, stale=_ROWS, superseded=_ROWS),
        ),
        404: Reply("no such push source", _FORM),
        415: Reply("the content-type is not application/json", _FORM),
        422: _UNFIT,
        503: _RETRY,
    },
    description="An older row never replaces a newer one. Columns that a view does not have are passed over.",
    body=_object(["push_source_name", "df"], push_source_name={"type": "string"}, df=_COLUMNS, to={"const": "online"}),
    error=_FORM,
)

HEALTH: Final = Operation("Whether the service lives", TAG, {200: Reply("it does")})

REFUSED: Final = Operation(
    "Not served here", TAG, {403: Reply("what to do instead", ERROR)}, description="The answer says what to do instead."
)
