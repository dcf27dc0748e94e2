"""The DynamoDB plug-in against Feast's own DynamoDB store, through a real FeatureStore."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pytest
from feast.protos.feast.serving.ServingService_pb2 import FieldStatus

from stores.cells.layout import layout_of
from stores.cells.value_types import STORED_TYPES
from stores.dynamo_online import MillraceDynamoOnlineStore
from stores.online import OnlineStoreUnavailable, open_online

REFS = ["clicks:n", "clicks:rate", "clicks:last", "clicks:device", "profile:age"]
Build = Callable[..., Any]

NO_TIME = bytes.fromhex("4080808080808080808001")

VALUES: dict[str, tuple[Any, Any]] = {
    "BYTES": (b"\x00\xff", b"x"),
    "STRING": ("zoë", "x"),
    "INT32": (-(2**31), 2**31 - 1),
    "INT64": (-(2**53), 2**53),  # beyond, Feast loses digits where there is a null
    "DOUBLE": (-0.1, 1e300),
    "FLOAT": (0.5, -2.0),
    "BOOL": (True, False),
    "UNIX_TIMESTAMP": (datetime(2026, 3, 1, 12, tzinfo=UTC), datetime(1969, 1, 1, tzinfo=UTC)),
}
"""Two values of each type that is not a list."""


@pytest.fixture
def stock(feast_dynamo: dict[str, str], dynamo: Any) -> dict[str, str]:
    """Options of Feast's own store."""
    return feast_dynamo


@pytest.fixture
def ours(aws: str, dynamo: Any) -> dict[str, str]:
    """Options of Millrace's."""
    return {"type": "stores.dynamo_online.MillraceDynamoOnlineStore", "region": "us-east-1", "endpoint_url": aws}


@pytest.fixture
def store(feast_store: Build, declared: list[Any], ours: dict[str, str], noon: datetime, monkeypatch: Any) -> Any:
    """A feature store whose wall clock stands at noon."""
    now = (noon - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
    monkeypatch.setattr(MillraceDynamoOnlineStore, "now_us", staticmethod(lambda: now))
    built = feast_store(ours)
    built.apply(declared)
    return built


def frame(when: datetime, **columns: Any) -> pd.DataFrame:
    """Rows of `clicks` at a time."""
    base = {"user": ["a", "b"], "n": [1, 2], "rate": [0.5, None], "last": [[1.0, 2.0], []], "device": ["ios", "web"]}
    return pd.DataFrame({**base, "event_timestamp": [when] * 2, **columns})


def read(store: Any, *users: str) -> dict[str, Any]:
    """What get_online_features returns."""
    return store.get_online_features(REFS, [{"user": user} for user in users]).to_dict()


def scan(dynamo: Any, table: str) -> dict[str, Any]:
    """What a table holds, by entity id."""
    return {item["entity_id"]["S"]: item for item in dynamo.scan(TableName=table)["Items"]}


@pytest.mark.parametrize("order", ["ours-stock", "stock-ours"])
def test_rows_of_one_store_are_read_by_the_other(
    feast_store: Build, declared: list[Any], noon: datetime, stock: Any, ours: Any, order: str
) -> None:
    writer, reader = (ours, stock) if order == "ours-stock" else (stock, ours)
    first = feast_store(writer)
    first.apply(declared)
    recent = datetime.now(UTC).replace(microsecond=0)  # our reader applies the ttl of `clicks`
    first.write_to_online_store("clicks", frame(recent))
    profile = pd.DataFrame({"user": ["a", "b"], "age": [41, 42], "event_timestamp": [noon] * 2, "created": [noon] * 2})
    first.write_to_online_store("profile", profile)
    assert read(feast_store(reader), "b", "a", "b") == {
        "user": ["b", "a", "b"],
        "n": [2, 1, 2],
        "rate": [None, 0.5, None],
        "last": [[], [1.0, 2.0], []],
        "device": ["web", "ios", "web"],
        "age": [42, 41, 42],
    }


def test_items_of_plain_types_equal_those_of_the_stock_store(
    feast_store: Build, stock: Any, ours: Any, dynamo: Any, noon: datetime, tmp_path: Path
) -> None:
    from feast import Entity, FeatureView, Field, FileSource, ValueType
    from feast.types import Int64, String, from_value_type
    from feast.utils import _convert_arrow_to_proto

    columns: dict[str, pa.Array] = {}
    plain = {name: one for name, one in STORED_TYPES.items() if name.removesuffix("_LIST") in VALUES}
    for name, stored in plain.items():
        one, two = VALUES[name.removesuffix("_LIST")]
        columns[name.lower()] = pa.array([[one, two], [], None] if stored.is_list else [one, two, None], stored.arrow)
    at = pa.array([noon, noon + timedelta(microseconds=1), noon], pa.timestamp("us", "UTC"))
    table = pa.table({"user": ["a", "b", "c"], "page": [1, 2**40, -3], **columns, "event_timestamp": at})
    entities = [Entity(name="user", value_type=ValueType.STRING), Entity(name="page", value_type=ValueType.INT64)]
    fields = [Field(name=name.lower(), dtype=from_value_type(ValueType[name])) for name in plain]
    view = FeatureView(
        name="every",
        entities=entities,
        schema=[Field(name="user", dtype=String), Field(name="page", dtype=Int64), *fields],
        source=FileSource(name="log", path=str(tmp_path / "log"), timestamp_field="event_timestamp"),
    )
    held, answers = {}, {}
    for who, options in (("stock", stock), ("plug-in", ours), ("room", ours)):
        store = feast_store(options)
        store.apply([*entities, view])
        declared = store.get_feature_view("every")
        if who == "room":
            opened = open_online(store.config)
            layout = layout_of(declared, store.config)
            assert opened.writer(layout).write(table, "event_timestamp").written == 3
            found = opened.reader([layout]).read({"user": ["a", "b", "c"], "page": [1, 2**40, -3]}).views["every"]
            columns_read = {name: column.as_python() for name, column in found.columns.items()}
        else:
            rows = _convert_arrow_to_proto(table, declared, {"user": ValueType.STRING, "page": ValueType.INT64})
            store._get_provider().online_write_batch(store.config, declared, rows, None)
        held[who] = scan(dynamo, "shop.every")
        refs = [f"every:{field.name}" for field in fields]
        asked = [{"user": user, "page": page} for user, page in (("a", 1), ("b", 2**40), ("c", -3), ("d", 1))]
        answers[who] = store.get_online_features(refs, asked).to_dict()
        dynamo.delete_table(TableName="shop.every")
    assert len(held["stock"]) == 3
    assert held["plug-in"] == held["stock"]
    for item in held["stock"].values():  # Feast writes a null time as the smallest integer, and reads it as null
        if item["values"]["M"]["unix_timestamp"]["B"] == NO_TIME:
            item["values"]["M"]["unix_timestamp"]["B"] = b""
    assert held["room"] == held["stock"]
    assert answers["plug-in"] == answers["room"] == answers["stock"]
    assert columns_read == {name: column.to_pylist() for name, column in columns.items()}


def test_older_rows_do_not_land_and_corrections_do(store: Any, noon: datetime) -> None:
    store.write_to_online_store("clicks", frame(noon))
    store.write_to_online_store("clicks", frame(noon, n=[10, 20]))
    store.write_to_online_store("clicks", frame(noon - timedelta(microseconds=1), n=[7, 7]))
    assert read(store, "a", "b")["n"] == [10, 20]
    later = noon + timedelta(microseconds=1)
    store.write_to_online_store(
        "clicks", pd.concat([frame(later, n=[1, 1]), frame(noon, n=[2, 2]), frame(later, n=[3, 3])])
    )
    assert read(store, "a", "b")["n"] == [3, 3]


def test_row_outside_its_ttl_is_missing_and_says_so(store: Any, noon: datetime) -> None:
    store.write_to_online_store("clicks", frame(noon - timedelta(minutes=1)))
    old = frame(noon - timedelta(minutes=1, microseconds=1), user=["c", "d"])
    store.write_to_online_store("clicks", old)
    answer = store.get_online_features(["clicks:n", "clicks:rate"], [{"user": user} for user in "abcx"])
    assert answer.to_dict() == {"user": list("abcx"), "n": [1, 2, None, None], "rate": [0.5, None, None, None]}
    found = {
        name: list(vector.statuses)
        for name, vector in zip(answer.proto.metadata.feature_names.val, answer.proto.results, strict=True)
    }
    here, old_, none = FieldStatus.PRESENT, FieldStatus.OUTSIDE_MAX_AGE, FieldStatus.NOT_FOUND
    assert found["n"] == [here, here, old_, none]
    assert found["rate"] == [here, FieldStatus.NULL_VALUE, old_, none]


def test_pushed_rows_are_read_also_asynchronously(store: Any, noon: datetime) -> None:
    store.push("clicks_push", frame(noon))

    async def ask() -> dict[str, Any]:
        return (await store.get_online_features_async(REFS, [{"user": "b"}])).to_dict()

    assert asyncio.run(ask()) == read(store, "b")
    assert read(store, "b")["n"] == [2]


def test_log_is_materialized(store: Any, noon: datetime, tmp_path: Path) -> None:
    (tmp_path / "profile").mkdir()
    frame = pd.DataFrame({"user": ["a", "a", "b"], "age": [40, 41, 42], "created": [noon] * 3})
    frame["event_timestamp"] = [noon - timedelta(days=2), noon - timedelta(days=1), noon - timedelta(days=1)]
    frame.to_parquet(tmp_path / "profile" / "1.parquet")
    store.materialize(noon - timedelta(days=9), noon, feature_views=["profile"])
    assert read(store, "a", "b", "c")["age"] == [41, 42, None]


def test_tables_come_and_go_with_their_views(store: Any, declared: list[Any], dynamo: Any) -> None:
    user, clicks, profile = declared  # Feast's teardown passes over stream views
    assert sorted(dynamo.list_tables()["TableNames"]) == ["shop.clicks", "shop.profile"]
    store.apply([user, profile], objects_to_delete=[clicks], partial=False)
    assert sorted(dynamo.list_tables()["TableNames"]) == ["shop.profile"]
    open_online(store.config).progress("shop").begin({"clicks": 1})
    assert sorted(dynamo.list_tables()["TableNames"]) == ["shop.millrace_progress", "shop.profile"]
    store.teardown()
    assert sorted(dynamo.list_tables()["TableNames"]) == []


def test_dynamodb_that_is_away_is_named(store: Any, feast_store: Build, ours: dict[str, Any], noon: datetime) -> None:
    away = feast_store({**ours, "endpoint_url": "http://127.0.0.1:1", "total_max_retry_attempts": 1})
    with pytest.raises(OnlineStoreUnavailable, match=r"DynamoDB at http://127\.0\.0\.1:1 does not answer"):
        read(away, "a")
    with pytest.raises(OnlineStoreUnavailable, match=r"DynamoDB at http://127\.0\.0\.1:1 does not answer"):
        away.write_to_online_store("clicks", frame(noon))
