"""What the console's routes say of themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from serving.console.assets import Asset
from serving.protocols.described import ERROR, Operation, Reply

TAG: Final = "watching"
UNKNOWN_SERVICE: Final = Reply("no such service is served", ERROR)
UNFIT: Final = Reply("a parameter does not fit", ERROR)
TIME: Final = {"type": ["string", "null"]}
NUMBER: Final = {"type": ["number", "null"]}
NAMED: Final = {"type": "object"}


def _parameter(name: str, schema: Mapping[str, Any], says: str) -> Mapping[str, Any]:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": says}


SERVICE: Final = _parameter("service", {"type": "string"}, "the default one where it is left out")

PAGE: Final = Operation(
    "The console, a page for people", TAG, {200: Reply("the page", {"type": "string"}, "text/html; charset=utf-8")}
)


def files(assets: Mapping[str, Asset]) -> Sequence[Operation]:
    """Describe the files of the page."""
    return [
        Operation(
            "A file of the console",
            TAG,
            {200: Reply("the file", {"type": "string"}, asset.content_type.decode())},
            path=f"/console/{name}",
        )
        for name, asset in assets.items()
    ]


def features(keys: Mapping[str, str]) -> Operation:
    """Describe the lookup of an entity by its join keys."""
    parameters = [_parameter(name, {"type": "string"}, f"join key, a {kind}") for name, kind in keys.items()]
    feature = {
        "type": "object",
        "required": ["name", "value", "status"],
        "properties": {"name": {"type": "string"}, "status": {"type": "string"}},
    }
    view = {
        "type": "object",
        "required": ["view", "keys", "status", "event_timestamp", "age_seconds", "features"],
        "properties": {
            "view": {"type": "string"},
            "keys": {"type": "array", "items": {"type": "string"}},
            "status": {"enum": ["present", "stale", "not_found", "expired", "store_unavailable"]},
            "event_timestamp": TIME,
            "age_seconds": NUMBER,
            "features": {"type": "array", "items": feature},
        },
    }
    return Operation(
        "The stored features of an entity as they are now",
        TAG,
        {
            200: Reply(
                "the views whose join keys are given",
                {
                    "type": "object",
                    "required": ["service", "at", "views", "left_out"],
                    "properties": {
                        "service": {"type": "string"},
                        "at": {"type": "string"},
                        "views": {"type": "array", "items": view},
                        "left_out": {"type": "array", "items": NAMED},
                    },
                },
            ),
            404: UNKNOWN_SERVICE,
            422: UNFIT,
            503: Reply("the online store does not answer", ERROR),
        },
        parameters=(SERVICE, *parameters),
    )


DECISIONS: Final = Operation(
    "The newest decisions on record",
    TAG,
    {
        200: Reply(
            "the newest first",
            {
                "type": "object",
                "required": ["service", "decisions"],
                "properties": {"service": {"type": "string"}, "decisions": {"type": "array", "items": NAMED}},
            },
        ),
        404: UNKNOWN_SERVICE,
        422: UNFIT,
    },
    parameters=(
        SERVICE,
        _parameter(
            "limit", {"type": "integer", "minimum": 1, "maximum": 1000}, "most of them; 50 where it is left out"
        ),
        _parameter("decision", {"type": "string"}, "only those of this name"),
    ),
)

STREAM: Final = Operation(
    "How the stream is that fills the online store",
    TAG,
    {
        200: Reply(
            "how far each view is; what could not be asked is among the troubles",
            {
                "type": "object",
                "required": ["at", "complete", "behind_seconds", "views", "snapshots", "dead_letters", "troubles"],
                "properties": {
                    "at": {"type": "string"},
                    "complete": TIME,
                    "behind_seconds": NUMBER,
                    "views": {"type": "array", "items": NAMED},
                    "snapshots": {"type": ["object", "null"]},
                    "dead_letters": NAMED,
                    "troubles": {"type": "array", "items": {"type": "string"}},
                },
            },
        )
    },
)
