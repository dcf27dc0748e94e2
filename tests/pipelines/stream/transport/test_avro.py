"""Events as Avro: what goes in comes out, by our hand and by others', and any bytes are told apart."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import fastavro
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.plan import EventTable, PlanError
from pipelines.stream.transport.codec import LARGEST
from pipelines.stream.transport.decoding import decode_events, encode_for
from pipelines.topic_format import read_format

Row = dict[str, Any]
Declared = Callable[..., EventTable]
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


@pytest.fixture(scope="session")
def declared(columns: tuple[tuple[str, str], ...]) -> Declared:
    """Declare the topic: `declared()`, or `declared("http://registry")`."""

    def build(registry: str = "") -> EventTable:
        return EventTable(
            "clicks", "/nowhere", "at", "id", "clicks", "user", columns,
            encoding="avro", encoding_schema=json.dumps(AVRO), registry=registry,
        )  # fmt: skip

    return build


@pytest.fixture(scope="session")
def table(declared: Declared) -> EventTable:
    return declared()


def test_the_columns_of_avro_are_its_fields_that_are_no_collections(source: Any, columns: Any) -> None:
    made = read_format(source("AvroFormat", schema_json=json.dumps(AVRO)))
    assert (made.encoding, tuple(made.columns.items()), made.schema) == ("avro", columns, json.dumps(AVRO))


@pytest.mark.parametrize("text", ["id bigint", "[]", '{"type": "record"}', '"long"', '{"fields": [1]}'])
def test_an_avro_schema_that_is_none_is_refused_with_an_example(source: Any, text: str) -> None:
    with pytest.raises(PlanError, match=r'clicks: AvroFormat.s schema_json is no record schema; .*"type": "record"'):
        read_format(source("AvroFormat", schema_json=text))


def test_avro_reads_back_as_it_was_written(table: EventTable, row: Row, sparse: Row) -> None:
    events = pa.Table.from_pylist([row, sparse], schema=table.schema())
    decoded = decode_events(encode_for(table, events), table)
    assert (decoded.table.to_pylist(), decoded.rejected) == ([row, sparse], [])


def by_hand(row: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, fastavro.parse_schema(AVRO), row | {"tags": ["a"]})
    return buffer.getvalue()


def test_avro_of_another_producer_is_read_with_and_without_confluents_header(
    table: EventTable, row: Row, sparse: Row
) -> None:
    payloads = [by_hand(row), b"\0" + (7).to_bytes(4, "big") + by_hand(sparse)]
    assert decode_events(payloads, table).table.to_pylist() == [row, sparse]


def test_a_record_that_begins_with_a_zero_is_no_header(table: EventTable, row: Row) -> None:
    first = row | {"id": 0}
    assert decode_events([by_hand(first)], table).table.to_pylist() == [first]


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda _: b"", "not_avro"),
        (lambda _: b"\0\0\0\0\7", "not_avro"),
        (lambda _: b"nonsense", "not_avro"),
        (lambda record: record + b"x", "not_avro"),
        (lambda record: record[:-1], "not_avro"),
        (lambda _: b"x" * (LARGEST + 1), "too_large"),
        (lambda _: json.dumps({"id": 1}).encode(), "not_avro"),
    ],
    ids=["empty", "only a header", "nonsense", "more bytes", "fewer bytes", "too large", "JSON"],
)
def test_what_is_not_of_the_schema_is_told_apart_and_its_neighbours_stay(
    table: EventTable, row: Row, spoil: Callable[[bytes], bytes], code: str
) -> None:
    record = by_hand(row)
    payload = spoil(record)
    decoded = decode_events([record, payload, record], table)
    assert (len(decoded.table), decoded.at.tolist(), decoded.rejected_at) == (2, [0, 2], [1])
    assert (decoded.rejected[0].code, decoded.rejected[0].payload) == (code, payload)


def test_avro_times_that_no_column_holds_are_told_apart(table: EventTable, row: Row) -> None:
    plain = json.loads(json.dumps(AVRO).replace('"logicalType"', '"was"'))
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, fastavro.parse_schema(plain), row | {"at": 2**62, "seen": 2**61, "tags": []})
    (told,) = decode_events([buffer.getvalue()], table).rejected
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


def test_with_a_registry_an_event_of_an_older_schema_is_read_by_that(
    registry: tuple[str, dict[int, Any]], declared: Declared
) -> None:
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
    decoded = decode_events([payload, b"\0" + (9).to_bytes(4, "big") + b"x"], declared(address))
    (read,) = decoded.table.to_pylist()
    assert (read["id"], read["at"], read["user"], read["kind"]) == (5, datetime(2026, 3, 1, tzinfo=UTC), None, "VIEW")
    assert [(one.code, one.reason) for one in decoded.rejected] == [
        ("not_avro", "NotDecodableError: schema 9 is not in the registry")
    ]


def test_with_a_registry_events_name_their_schema(
    registry: tuple[str, dict[int, Any]], declared: Declared, row: Row
) -> None:
    address, schemas = registry
    table = declared(address)
    (payload,) = encode_for(table, pa.Table.from_pylist([row], schema=table.schema()))
    assert (payload[:5], schemas[41]["name"]) == (b"\0\0\0\0\x29", "Click")
    assert decode_events([payload], table).table.to_pylist() == [row]


@given(st.lists(st.one_of(st.binary(max_size=30), st.none()), max_size=5))
def test_any_bytes_are_a_record_or_a_reason(table: EventTable, row: Row, drawn: list[bytes | None]) -> None:
    record = by_hand(row)
    decoded = decode_events([record if one is None else one for one in drawn], table)
    decoded.table.validate(full=True)
    assert sorted([*decoded.at.tolist(), *decoded.rejected_at]) == list(range(len(drawn)))
    assert {one.code for one in decoded.rejected} <= {"not_avro", "out_of_range"}
