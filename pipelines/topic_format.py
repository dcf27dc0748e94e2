"""Reads how a topic's events are written, and which columns they have, from Feast's stream formats."""

from __future__ import annotations

import importlib
import json
from dataclasses import dataclass
from typing import Any, Final

from contract.types import UnknownTypeError, type_of_ddl
from pipelines.plan import PlanError


@dataclass(frozen=True, slots=True)
class TopicFormat:
    """How events are written on a topic.

    Attributes:
        encoding: `json`, `avro` or `protobuf`.
        schema: The Avro schema as JSON, or the import path of the Protobuf message; empty for JSON.
        columns: Name and type of each column, as Spark's DDL writes it.
    """

    encoding: str
    schema: str
    columns: dict[str, str]


def read_format(source: Any) -> TopicFormat:
    """Return the format of a Kafka source: a `JsonFormat`, an `AvroFormat` or a `ProtoFormat`.

    Fields whose type is none of ours (lists, maps, nested records) are no columns.

    Raises:
        PlanError: It cannot be read, or has no columns.
    """
    declared = source.kafka_options.message_format
    kind = type(declared).__name__
    if kind == "AvroFormat":
        made = TopicFormat("avro", declared.schema_json, _avro_columns(source.name, declared.schema_json))
    elif kind == "ProtoFormat":
        made = TopicFormat("protobuf", declared.class_path, _protobuf_columns(source.name, declared.class_path))
    else:
        made = TopicFormat("json", "", _json_columns(source.name, getattr(declared, "schema_json", "")))
    if not made.columns:
        raise PlanError(
            f"{source.name}: no columns; use message_format=JsonFormat(schema_json='id bigint, at timestamp'), or an"
            " AvroFormat or ProtoFormat with fields that are numbers, strings, booleans or times."
        )
    return made


def _json_columns(where: str, text: str) -> dict[str, str]:
    columns: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, _, kind = part.partition(" ")
        try:
            type_of_ddl(kind.strip().lower())
        except UnknownTypeError as error:
            raise PlanError(
                f"{where}: {error} Write schema_json as 'id bigint, at timestamp, amount double'."
            ) from None
        columns[name] = kind.strip().lower()
    return columns


_AVRO: Final = {
    "long": "bigint",
    "int": "int",
    "double": "double",
    "float": "float",
    "boolean": "boolean",
    "string": "string",
    "timestamp-millis": "timestamp",
    "timestamp-micros": "timestamp",
}


def _avro_columns(where: str, text: str) -> dict[str, str]:
    try:
        schema = json.loads(text)
        fields = {field["name"]: field["type"] for field in schema["fields"]}
    except (ValueError, LookupError, TypeError):
        raise PlanError(
            f"{where}: AvroFormat's schema_json is no record schema; write it as Avro's JSON, such as"
            ' {"type": "record", "name": "Click", "fields": [{"name": "id", "type": "long"}]}.'
        ) from None
    found = {name: _AVRO.get(avro_kind(kind)) for name, kind in fields.items()}
    return {name: ddl for name, ddl in found.items() if ddl is not None}


def avro_kind(kind: Any) -> str:
    """Return what an Avro type is called here: its logical type, if it has one that is a time, else its own name.

    >>> avro_kind(["null", {"type": "long", "logicalType": "timestamp-millis"}]), avro_kind("long"), avro_kind({"type": "map"})
    ('timestamp-millis', 'long', 'map')
    """
    if isinstance(kind, list):
        others = [one for one in kind if one != "null"]
        return avro_kind(others[0]) if len(others) == 1 else "union"
    if isinstance(kind, dict):
        logical = str(kind.get("logicalType", ""))
        if logical in ("timestamp-millis", "timestamp-micros"):
            return logical
        return "string" if kind.get("type") == "enum" else avro_kind(kind.get("type"))
    return str(kind)


_PROTOBUF: Final = {
    "CPPTYPE_INT64": "bigint",
    "CPPTYPE_UINT64": "bigint",
    "CPPTYPE_UINT32": "bigint",
    "CPPTYPE_INT32": "int",
    "CPPTYPE_DOUBLE": "double",
    "CPPTYPE_FLOAT": "float",
    "CPPTYPE_BOOL": "boolean",
    "CPPTYPE_STRING": "string",
    "CPPTYPE_ENUM": "string",
}
TIMESTAMP: Final = "google.protobuf.Timestamp"


def _protobuf_columns(where: str, path: str) -> dict[str, str]:
    from google.protobuf.descriptor import FieldDescriptor

    try:
        fields = message_class(path).DESCRIPTOR.fields
    except (ImportError, AttributeError, ValueError) as error:
        raise PlanError(
            f"{where}: ProtoFormat's class_path {path!r} is no Protobuf message of Python ({error}); name the generated class,"
            " such as events_pb2.Click."
        ) from None
    kinds = {getattr(FieldDescriptor, name): ddl for name, ddl in _PROTOBUF.items()}
    columns = {}
    for field in fields:
        if field.is_repeated:
            continue
        if field.message_type is not None:
            if field.message_type.full_name == TIMESTAMP:
                columns[field.name] = "timestamp"
        elif field.type != FieldDescriptor.TYPE_BYTES:
            columns[field.name] = kinds[field.cpp_type]
    return columns


def message_class(path: str) -> Any:
    """Import a Protobuf message's class by its path, such as `events_pb2.Click`.

    Raises:
        ImportError, AttributeError, ValueError: There is none.
    """
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)
