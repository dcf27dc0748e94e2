"""Events as Avro and Protobuf: what goes in comes out, by our hand and by others', and any bytes are told apart."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from types import ModuleType
from typing import Any

import fastavro
import pyarrow as pa
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, timestamp_pb2
from hypothesis import given
from hypothesis import strategies as st

from pipelines.plan import EventTable, PlanError
from pipelines.stream.transport.codec import LARGEST
from pipelines.stream.transport.decoding import decode_events, encode_for
from pipelines.topic_format import read_format

AT = 1_772_366_400_123_456  # microseconds
AVRO = {
    "type": "record",
    "name": "Click",
    "namespace": "shop",
    "fields": [
        {"name": "id", "type": "long"},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "seen", "type": ["null", {"type": "long", "logicalType": "timestamp-millis"}], "default": None},
        {"name": "user", "type": ["null", "string"], "default": None},
        {"name": "price", "type": ["null", "double"], "default": None},
        {"name": "short", "type": ["float", "null"], "default": 0.0},
        {"name": "slot", "type": "int", "default": 0},
        {"name": "phone", "type": "boolean", "default": False},
        {"name": "kind", "type": {"type": "enum", "name": "Kind", "symbols": ["VIEW", "BUY"]}, "default": "VIEW"},
        {"name": "tags", "type": {"type": "array", "items": "string"}, "default": []},
    ],
}
COLUMNS = (
    ("id", "bigint"),
    ("at", "timestamp"),
    ("seen", "timestamp"),
    ("user", "string"),
    ("price", "double"),
    ("short", "float"),
    ("slot", "int"),
    ("phone", "boolean"),
    ("kind", "string"),
)
ROW = {
    "id": 2**60 + 1,
    "at": datetime.fromtimestamp(AT / 1e6, UTC).replace(microsecond=123_456),
    "seen": datetime(2026, 3, 1, tzinfo=UTC),
    "user": "zoë",
    "price": 0.1,
    "short": 0.5,
    "slot": -3,
    "phone": True,
    "kind": "BUY",
}
NOTHING = ROW | {"seen": None, "user": None, "price": None, "short": None}


def avro_table(registry: str = "") -> EventTable:
    return EventTable(
        "clicks", "/nowhere", "at", "id", "clicks", "user", COLUMNS,
        encoding="avro", encoding_schema=json.dumps(AVRO), registry=registry,
    )  # fmt: skip


class Source:
    """As much of a Kafka source as says how its topic is written."""

    name = "clicks"

    def __init__(self, kind: str, **fields: str) -> None:
        message_format = type(kind, (), fields)()
        self.kafka_options = type("Options", (), {"message_format": message_format})


def test_the_columns_of_avro_are_its_fields_that_are_no_collections() -> None:
    made = read_format(Source("AvroFormat", schema_json=json.dumps(AVRO)))
    assert (made.encoding, tuple(made.columns.items()), made.schema) == ("avro", COLUMNS, json.dumps(AVRO))


@pytest.mark.parametrize("text", ["id bigint", "[]", '{"type": "record"}', '"long"', '{"fields": [1]}'])
def test_an_avro_schema_that_is_none_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(PlanError, match=r'clicks: AvroFormat.s schema_json is no record schema; .*"type": "record"'):
        read_format(Source("AvroFormat", schema_json=text))


def test_avro_reads_back_as_it_was_written() -> None:
    table = avro_table()
    events = pa.Table.from_pylist([ROW, NOTHING], schema=table.schema())
    decoded = decode_events(encode_for(table, events), table)
    assert (decoded.table.to_pylist(), decoded.rejected) == ([ROW, NOTHING], [])


def by_hand(row: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, fastavro.parse_schema(AVRO), row | {"tags": ["a"]})
    return buffer.getvalue()


def test_avro_of_another_producer_is_read_with_and_without_confluents_header() -> None:
    payloads = [by_hand(ROW), b"\0" + (7).to_bytes(4, "big") + by_hand(NOTHING)]
    assert decode_events(payloads, avro_table()).table.to_pylist() == [ROW, NOTHING]


def test_a_record_that_begins_with_a_zero_is_no_header() -> None:
    row = ROW | {"id": 0}
    assert decode_events([by_hand(row)], avro_table()).table.to_pylist() == [row]


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b"", "not_avro"),
        (b"\0\0\0\0\7", "not_avro"),
        (b"nonsense", "not_avro"),
        (by_hand(ROW) + b"x", "not_avro"),
        (by_hand(ROW)[:-1], "not_avro"),
        (b"x" * (LARGEST + 1), "too_large"),
        (json.dumps({"id": 1}).encode(), "not_avro"),
    ],
    ids=["empty", "only a header", "nonsense", "more bytes", "fewer bytes", "too large", "JSON"],
)
def test_what_is_not_of_the_schema_is_told_apart_and_its_neighbours_stay(payload: bytes, code: str) -> None:
    decoded = decode_events([by_hand(ROW), payload, by_hand(ROW)], avro_table())
    assert (len(decoded.table), decoded.at.tolist(), decoded.rejected_at) == (2, [0, 2], [1])
    assert (decoded.rejected[0].code, decoded.rejected[0].payload) == (code, payload)


def test_avro_times_that_no_column_holds_are_told_apart() -> None:
    plain = json.loads(json.dumps(AVRO).replace('"logicalType"', '"was"'))
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, fastavro.parse_schema(plain), ROW | {"at": 2**62, "seen": 2**61, "tags": []})
    (told,) = decode_events([buffer.getvalue()], avro_table()).rejected
    assert (told.code, told.reason.split(":")[0]) == ("out_of_range", "seen")


@pytest.fixture
def registry() -> Iterator[tuple[str, dict[int, Any]]]:
    """A schema registry on this machine: its address, and its schemas by number."""
    import http.server
    import threading

    schemas: dict[int, Any] = {}

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            number = int(self.path.rpartition("/")[2])
            found = {"schema": json.dumps(schemas[number])} if number in schemas else {"error_code": 40403}
            self.answer(200 if number in schemas else 404, found)

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            schemas[41] = json.loads(body["schema"])
            self.answer(200, {"id": 41})

        def answer(self, status: int, body: Any) -> None:
            text = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}", schemas
    server.shutdown()
    server.server_close()


def test_with_a_registry_an_event_of_an_older_schema_is_read_by_that(registry: tuple[str, dict[int, Any]]) -> None:
    address, schemas = registry
    schemas[7] = {
        "type": "record",
        "name": "Click",
        "namespace": "shop",
        "fields": [
            {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
            {"name": "id", "type": "int"},
            {"name": "gone", "type": "string"},
        ],
    }
    buffer = io.BytesIO()
    old = {"at": datetime(2026, 3, 1, tzinfo=UTC), "id": 5, "gone": "x"}
    fastavro.schemaless_writer(buffer, fastavro.parse_schema(schemas[7]), old)
    payload = b"\0" + (7).to_bytes(4, "big") + buffer.getvalue()
    decoded = decode_events([payload, b"\0" + (9).to_bytes(4, "big") + b"x"], avro_table(address))
    (row,) = decoded.table.to_pylist()
    assert (row["id"], row["at"], row["user"], row["kind"]) == (5, datetime(2026, 3, 1, tzinfo=UTC), None, "VIEW")
    assert [(one.code, one.reason) for one in decoded.rejected] == [
        ("not_avro", "NotDecodableError: schema 9 is not in the registry")
    ]


def test_with_a_registry_events_name_their_schema(registry: tuple[str, dict[int, Any]]) -> None:
    address, schemas = registry
    table = avro_table(address)
    (payload,) = encode_for(table, pa.Table.from_pylist([ROW], schema=table.schema()))
    assert (payload[:5], schemas[41]["name"]) == (b"\0\0\0\0\x29", "Click")
    assert decode_events([payload], table).table.to_pylist() == [ROW]


def click_message() -> Any:
    """The message `Click`, as protoc would have made it."""
    file = descriptor_pb2.FileDescriptorProto(name="click.proto", package="shop", syntax="proto3")
    file.dependency.append(timestamp_pb2.DESCRIPTOR.name)
    kind = file.enum_type.add(name="Kind")
    for number, name in enumerate(["VIEW", "BUY"]):
        kind.value.add(name=name, number=number)
    click = file.message_type.add(name="Click")
    field = descriptor_pb2.FieldDescriptorProto
    types = [
        ("id", field.TYPE_INT64, ""),
        ("at", field.TYPE_MESSAGE, ".google.protobuf.Timestamp"),
        ("seen", field.TYPE_MESSAGE, ".google.protobuf.Timestamp"),
        ("user", field.TYPE_STRING, ""),
        ("price", field.TYPE_DOUBLE, ""),
        ("short", field.TYPE_FLOAT, ""),
        ("slot", field.TYPE_SINT32, ""),
        ("phone", field.TYPE_BOOL, ""),
        ("kind", field.TYPE_ENUM, ".shop.Kind"),
        ("large", field.TYPE_UINT64, ""),
        ("raw", field.TYPE_BYTES, ""),
    ]
    for number, (name, type_, of) in enumerate(types, 1):
        made = click.field.add(name=name, number=number, type=type_, label=field.LABEL_OPTIONAL)
        if of:
            made.type_name = of
        if name in ("user", "price", "short", "slot", "phone", "kind"):
            made.proto3_optional = True
            made.oneof_index = len(click.oneof_decl)
            click.oneof_decl.add(name=f"_{name}")
    click.field.add(name="tags", number=99, type=field.TYPE_STRING, label=field.LABEL_REPEATED)
    pool = descriptor_pool.Default()
    pool.AddSerializedFile(file.SerializeToString())
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("shop.Click"))


@pytest.fixture(scope="module")
def click() -> Any:
    """The message, in a module `click_pb2`."""
    module = ModuleType("click_pb2")
    module.Click = click_message()  # type: ignore[attr-defined]
    sys.modules["click_pb2"] = module
    yield module.Click
    del sys.modules["click_pb2"]


@pytest.fixture
def protobuf_table(click: Any) -> EventTable:
    columns = (*COLUMNS, ("large", "bigint"))
    return EventTable(
        "clicks",
        "/nowhere",
        "at",
        "id",
        "clicks",
        "user",
        columns,
        encoding="protobuf",
        encoding_schema="click_pb2.Click",
    )


def test_the_columns_of_protobuf_are_its_fields_that_are_no_collections(click: Any) -> None:
    made = read_format(Source("ProtoFormat", class_path="click_pb2.Click"))
    assert (made.encoding, tuple(made.columns.items())) == ("protobuf", (*COLUMNS, ("large", "bigint")))


@pytest.mark.parametrize("path", ["com.acme.Click", "click_pb2.Clack", "Click", "json.JSONDecoder"])
def test_a_message_that_python_does_not_have_is_refused_with_an_example(click: Any, path: str) -> None:
    with pytest.raises(PlanError, match=rf"clicks: ProtoFormat.s class_path '{path}' .* such as events_pb2.Click"):
        read_format(Source("ProtoFormat", class_path=path))


def test_protobuf_reads_back_as_it_was_written(protobuf_table: EventTable) -> None:
    rows = [ROW | {"large": 2**62}, NOTHING | {"large": 0}]
    events = pa.Table.from_pylist(rows, schema=protobuf_table.schema())
    decoded = decode_events(encode_for(protobuf_table, events), protobuf_table)
    assert (decoded.table.to_pylist(), decoded.rejected) == (rows, [])


@pytest.mark.parametrize("indexes", [b"\0", b"\2\0", b"\4\2\4"], ids=["the first", "one", "nested"])
def test_protobuf_is_read_with_confluents_header(click: Any, protobuf_table: EventTable, indexes: bytes) -> None:
    payload = b"\0\0\0\0\7" + indexes + click(id=5).SerializeToString()
    assert decode_events([payload], protobuf_table).table["id"].to_pylist() == [5]


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b"nonsense", "not_protobuf"),
        (b"\0", "not_protobuf"),
        (b"\0\0\0\0\7\x80", "not_protobuf"),
        (b"\xff" * 9, "not_protobuf"),
    ],
)
def test_bytes_that_are_no_message_are_told_apart(protobuf_table: EventTable, payload: bytes, code: str) -> None:
    assert [one.code for one in decode_events([payload], protobuf_table).rejected] == [code]


def test_numbers_that_a_column_does_not_hold_are_told_apart(click: Any, protobuf_table: EventTable) -> None:
    payloads = [click(large=2**63).SerializeToString(), click(price=float("inf")).SerializeToString()]
    decoded = decode_events(payloads, protobuf_table)
    assert [(one.code, one.reason.split(":")[0]) for one in decoded.rejected] == [
        ("out_of_range", "large"),
        ("out_of_range", "price"),
    ]


@given(st.lists(st.one_of(st.binary(max_size=30), st.just(by_hand(ROW))), max_size=5))
def test_any_bytes_are_a_record_or_a_reason(payloads: list[bytes]) -> None:
    decoded = decode_events(payloads, avro_table())
    decoded.table.validate(full=True)
    assert sorted([*decoded.at.tolist(), *decoded.rejected_at]) == list(range(len(payloads)))
    assert {one.code for one in decoded.rejected} <= {"not_avro", "out_of_range"}


@given(st.lists(st.binary(max_size=30), max_size=5))
def test_any_bytes_are_a_message_or_a_reason(click: Any, payloads: list[bytes]) -> None:
    columns = (*COLUMNS, ("large", "bigint"))
    table = EventTable(
        "c", "/", "at", "id", "c", "user", columns, encoding="protobuf", encoding_schema="click_pb2.Click"
    )
    decoded = decode_events(payloads, table)
    decoded.table.validate(full=True)
    assert sorted([*decoded.at.tolist(), *decoded.rejected_at]) == list(range(len(payloads)))
