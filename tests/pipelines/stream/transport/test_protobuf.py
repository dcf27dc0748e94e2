"""Events as Protobuf: what goes in comes out, by our hand and by others', and any bytes are told apart."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import pyarrow as pa
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, timestamp_pb2
from hypothesis import given
from hypothesis import strategies as st

from pipelines.plan import EventTable, PlanError
from pipelines.stream.transport.decoding import decode_events, encode_for
from pipelines.topic_format import read_format

Row = dict[str, Any]


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


@pytest.fixture(scope="module")
def table(click: Any, columns: tuple[tuple[str, str], ...]) -> EventTable:
    return EventTable(
        "clicks", "/nowhere", "at", "id", "clicks", "user", (*columns, ("large", "bigint")),
        encoding="protobuf", encoding_schema="click_pb2.Click",
    )  # fmt: skip


def test_the_columns_of_protobuf_are_its_fields_that_are_no_collections(source: Any, table: EventTable) -> None:
    made = read_format(source("ProtoFormat", class_path="click_pb2.Click"))
    assert (made.encoding, tuple(made.columns.items())) == ("protobuf", table.columns)


@pytest.mark.parametrize("path", ["com.acme.Click", "click_pb2.Clack", "Click", "json.JSONDecoder"])
def test_a_message_that_python_does_not_have_is_refused_with_an_example(click: Any, source: Any, path: str) -> None:
    with pytest.raises(PlanError, match=rf"clicks: ProtoFormat.s class_path '{path}' .* such as events_pb2.Click"):
        read_format(source("ProtoFormat", class_path=path))


def test_protobuf_reads_back_as_it_was_written(table: EventTable, row: Row, sparse: Row) -> None:
    rows = [row | {"large": 2**62}, sparse | {"large": 0}]
    events = pa.Table.from_pylist(rows, schema=table.schema())
    decoded = decode_events(encode_for(table, events), table)
    assert (decoded.table.to_pylist(), decoded.rejected) == (rows, [])


@pytest.mark.parametrize("indexes", [b"\0", b"\2\0", b"\4\2\4"], ids=["the first", "one", "nested"])
def test_protobuf_is_read_with_confluents_header(click: Any, table: EventTable, indexes: bytes) -> None:
    payload = b"\0\0\0\0\7" + indexes + click(id=5).SerializeToString()
    assert decode_events([payload], table).table["id"].to_pylist() == [5]


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b"nonsense", "not_protobuf"),
        (b"\0", "not_protobuf"),
        (b"\0\0\0\0\7\x80", "not_protobuf"),
        (b"\xff" * 9, "not_protobuf"),
    ],
)
def test_bytes_that_are_no_message_are_told_apart(table: EventTable, payload: bytes, code: str) -> None:
    assert [one.code for one in decode_events([payload], table).rejected] == [code]


def test_numbers_that_a_column_does_not_hold_are_told_apart(click: Any, table: EventTable) -> None:
    payloads = [click(large=2**63).SerializeToString(), click(price=float("inf")).SerializeToString()]
    decoded = decode_events(payloads, table)
    assert [(one.code, one.reason.split(":")[0]) for one in decoded.rejected] == [
        ("out_of_range", "large"),
        ("out_of_range", "price"),
    ]


@given(st.lists(st.binary(max_size=30), max_size=5))
def test_any_bytes_are_a_message_or_a_reason(table: EventTable, payloads: list[bytes]) -> None:
    decoded = decode_events(payloads, table)
    decoded.table.validate(full=True)
    assert sorted([*decoded.at.tolist(), *decoded.rejected_at]) == list(range(len(payloads)))
