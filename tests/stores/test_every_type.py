"""Every type that Feast has, through Feast's own stores and these, both ways; enumerated from Feast, so that a new type fails here."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig
from feast.type_map import python_values_to_proto_values
from feast.types import Array, PrimitiveFeastType, Set, String, from_value_type
from feast.value_type import ValueType

from contract.types import TYPES, UnknownTypeError, kind_of_field, value_type_of
from stores.cells.feast_row import FeastRow
from stores.cells.layout import layout_of
from stores.cells.value_types import STORED_TYPES
from stores.online import open_online
from workspace.redis_server import RedisServer

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
IDS = (UUID("a8098c1a-f86e-11da-bd1a-00112444be1e"), UUID(int=2**127))
PAYEE = pa.struct([("name", pa.string()), ("rank", pa.int64())])
NO_VALUE = {"UNKNOWN", "NULL"}
"""What no field can be."""

SCALARS: dict[str, tuple[Any, Any, pa.DataType]] = {
    "BYTES": (b"a\x00", b"b", pa.binary()),
    "STRING": ("é", "", pa.string()),
    "INT32": (-(2**31), 7, pa.int32()),
    "INT64": (2**63 - 1, -7, pa.int64()),
    "DOUBLE": (0.1, -2.5, pa.float64()),
    "FLOAT": (0.5, -2.5, pa.float32()),
    "BOOL": (True, False, pa.bool_()),
    "UNIX_TIMESTAMP": (NOON, NOON + timedelta(seconds=1), pa.timestamp("us", "UTC")),
    "UUID": (*IDS, pa.string()),
    "TIME_UUID": (*IDS, pa.string()),
    "DECIMAL": (Decimal("1.50"), Decimal("-1E-7"), pa.string()),
    "JSON": ({"a": [1, None], "b": {"c": "d"}}, [1.5, "x"], pa.large_string()),
    "MAP": ({"a": "x", "b": "y"}, {}, pa.map_(pa.string(), pa.string())),
    "STRUCT": ({"name": "a", "rank": 1}, {"name": "b", "rank": None}, PAYEE),
}
"""Two values each, and how a log has them."""
OTHERS: dict[str, tuple[Any, Any, pa.DataType]] = {
    "PDF_BYTES": (b"%PDF", b"%", pa.binary()),
    "IMAGE_BYTES": (b"\xff\xd8", b"\xff", pa.binary()),
    "VALUE_LIST": ([[1, 2], [3]], [[4]], pa.list_(pa.list_(pa.int64()))),
    "VALUE_SET": ([["a", "b"], ["c"]], [["d"]], pa.list_(pa.list_(pa.string()))),
    "SCALAR_MAP": ({1: "x", -2: "y"}, {}, pa.map_(pa.int64(), pa.string())),
    "ZONED_TIMESTAMP": (NOON.astimezone(timezone(timedelta(hours=-7))), NOON, pa.timestamp("us", "-07:00")),
}
LISTS = {f"{name}_LIST": ([one, two], [], pa.list_(kind)) for name, (one, two, kind) in SCALARS.items()}
SETS = {
    f"{name}_SET": ({one, two}, {two}, pa.list_(kind))
    for name, (one, two, kind) in SCALARS.items()
    if name not in ("MAP", "STRUCT", "JSON")
}
Found = dict[tuple[str, str], dict[str, list[Any]]]
"""By who wrote and who read: the values of each feature."""
VALUES = {**SCALARS, **OTHERS, **LISTS, **SETS}


def arrow(name: str) -> pa.Array:
    """Three rows as a log has them; the last is null."""
    one, two, kind = VALUES[name]
    return pa.array([_plain(one, kind), _plain(two, kind), None], kind)


def _plain(value: Any, kind: pa.DataType) -> Any:
    """What Arrow takes for a Python value."""
    if pa.types.is_list(kind):
        return [_plain(one, kind.value_type) for one in value]
    if pa.types.is_map(kind):
        return list(value.items())
    if kind == pa.large_string():
        return json.dumps(value)
    return str(value) if kind == pa.string() else value


def declare(folder: Path) -> list[Any]:
    """An entity, and a view with a field of every type."""
    user = Entity(name="user", join_keys=["user"], value_type=ValueType.STRING)
    fields = [Field(name=name.lower(), dtype=from_value_type(ValueType[name])) for name in VALUES]
    log = FileSource(name="log", path=str(folder / "log.parquet"), timestamp_field="event_timestamp")
    return [
        user,
        FeatureView(name="every", entities=[user], schema=[Field(name="user", dtype=String), *fields], source=log),
    ]


def by_feast() -> list[FeastRow]:
    """The rows as Feast hands them to a store."""
    from feast.protos.feast.types.EntityKey_pb2 import EntityKey
    from feast.protos.feast.types.Value_pb2 import Value

    columns = {
        name.lower(): python_values_to_proto_values([*VALUES[name][:2], None], ValueType[name]) for name in VALUES
    }
    return [
        (
            EntityKey(join_keys=["user"], entity_values=[Value(string_val=user)]),
            {name: column[row] for name, column in columns.items()},
            NOON,
            None,
        )
        for row, user in enumerate("abc")
    ]


def table() -> pa.Table:
    """The rows as a log has them."""
    at = pa.array([NOON] * 3, pa.timestamp("us", "UTC"))
    return pa.table({"user": ["a", "b", "c"], **{name.lower(): arrow(name) for name in VALUES}, "event_timestamp": at})


@pytest.fixture(scope="module", params=["redis", "dynamo"])
def found(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Found:
    """By who wrote and who read: the values of each feature."""
    if request.param == "redis":
        server: RedisServer = request.getfixturevalue("redis_server")
        where = {"connection_string": server.connection_string}
        kinds = {"feast": "redis", "ours": "stores.redis_online.MillraceRedisOnlineStore"}
    else:
        where = request.getfixturevalue("feast_dynamo")
        kinds = {"feast": where["type"], "ours": "stores.dynamo_online.MillraceDynamoOnlineStore"}
    folder = tmp_path_factory.mktemp(request.param)
    pq.write_table(table(), folder / "log.parquet")
    answers: Found = {}
    for writer in ("feast", "plug-in", "bulk"):
        stores = {
            reader: FeatureStore(
                config=RepoConfig(
                    project=f"every_{writer.replace('-', '')}",
                    provider="local",
                    registry=str(folder / f"{writer}.db"),
                    repo_path=folder,
                    online_store={**where, "type": kind},
                    offline_store={"type": "stores.asof_offline.AsofOfflineStore"},
                    entity_key_serialization_version=3,
                )
            )
            for reader, kind in kinds.items()
        }
        logging.disable(logging.WARNING)  # Feast's DynamoDB store says that it waits for a table
        stores["feast" if writer == "feast" else "ours"].apply(declare(folder))
        logging.disable(logging.NOTSET)
        view = stores["ours"].get_feature_view("every")
        opened, layout = open_online(stores["ours"].config), layout_of(view, stores["ours"].config)
        if writer == "bulk":
            log = (
                stores["ours"]
                ._get_provider()
                .offline_store.pull_latest_from_table_or_query(
                    config=stores["ours"].config,
                    data_source=view.batch_source,
                    join_key_columns=["user"],
                    feature_name_columns=[name.lower() for name in VALUES],
                    timestamp_field="event_timestamp",
                    created_timestamp_column=None,
                    start_date=NOON - timedelta(days=1),
                    end_date=NOON,
                )
            )
            assert opened.writer(layout).write(log.to_arrow(), "event_timestamp").written == 3
        else:
            store = stores["feast" if writer == "feast" else "ours"]
            store._get_provider().online_write_batch(store.config, view, by_feast(), None)
        refs = [f"every:{name.lower()}" for name in VALUES]
        for reader, store in stores.items():
            asked = store.get_online_features(refs, [{"user": user} for user in "abc"])
            answers[writer, {"ours": "plug-in"}.get(reader, reader)] = asked.to_dict()
        columns = opened.reader([layout]).read({"user": ["a", "b", "c"]}).views["every"].columns
        answers[writer, "room"] = {name: column.as_python() for name, column in columns.items()}
        answers[writer, "pandas"] = {name: list(column.as_pandas()) for name, column in columns.items()}
        answers[writer, "arrays"] = {name: list(column.as_array()) for name, column in columns.items()}
        answers[writer, "json"] = {name: [column.as_json(row) for row in range(3)] for name, column in columns.items()}
    return answers


def test_there_are_values_of_every_type_that_feast_has() -> None:
    assert set(VALUES) == {one.name for one in ValueType} - NO_VALUE == set(STORED_TYPES)
    assert set(VALUES) == {one.value_type for one in TYPES.values() if one.value_type}


@pytest.mark.parametrize("name", VALUES)
def test_every_reader_reads_what_every_writer_wrote(found: Found, name: str) -> None:
    wanted = [*VALUES[name][:2], None]
    for writer in ("feast", "plug-in", "bulk"):
        for reader in ("feast", "plug-in", "room"):
            assert found[writer, reader][name.lower()] == wanted, f"{writer} wrote, {reader} read"


@pytest.mark.parametrize(
    "online",
    [
        {"type": "stores.redis_online.MillraceRedisOnlineStore", "connection_string": "127.0.0.1:1"},
        {"type": "stores.dynamo_online.MillraceDynamoOnlineStore", "endpoint_url": "http://127.0.0.1:1"},
        {
            "type": "stores.tiered_online.MillraceTieredOnlineStore",
            "hot": {"connection_string": "127.0.0.1:1"},
            "warm": {"endpoint_url": "http://127.0.0.1:1"},
        },
    ],
    ids=["redis", "dynamo", "tiered"],
)
def test_feast_apply_refuses_what_cannot_be_stored_and_registers_nothing(
    feast_store: Callable[..., Any], tmp_path: Path, online: dict[str, Any]
) -> None:
    user, every = declare(tmp_path)
    scans = Field(name="scans", dtype=PrimitiveFeastType.INVALID)
    view = FeatureView(name="files", entities=[user], schema=[scans], source=every.batch_source)
    with pytest.raises(UnknownTypeError, match=r"files\.scans: .* can hold Invalid; declare one of .* such as String"):
        feast_store(online).apply([user, view])
    assert feast_store(online).list_feature_views() == []


@pytest.mark.parametrize("name", [*OTHERS, *LISTS, *SETS, "JSON", "UUID", "DECIMAL", "MAP", "STRUCT"])
def test_on_demand_functions_are_handed_them(found: Found, name: str) -> None:
    for form in ("pandas", "arrays"):
        given = [one.tolist() if isinstance(one, np.ndarray) else one for one in found["feast", form][name.lower()]]
        assert given == [*VALUES[name][:2], None], form


def test_json_has_them_all(found: Found) -> None:
    shown = found["bulk", "json"]
    json.dumps(shown, allow_nan=False)
    assert shown["decimal_list"] == [["1.50", "-1E-7"], [], None]
    assert shown["uuid_set"] == [sorted(map(str, IDS)), [str(IDS[1])], None]
    assert shown["scalar_map"] == [{"1": "x", "-2": "y"}, {}, None]
    assert shown["zoned_timestamp"][0] == "2026-03-01T12:00:00Z"  # a log keeps the instant, not the zone
    assert found["feast", "json"]["zoned_timestamp"][0] == "2026-03-01T05:00:00-07:00"


@pytest.fixture(scope="module")
def joined(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Any]]:
    """What get_historical_features gives of a log with every type."""
    folder = tmp_path_factory.mktemp("offline")
    pq.write_table(table(), folder / "log.parquet")
    store = FeatureStore(
        config=RepoConfig(
            project="every",
            provider="local",
            registry=str(folder / "registry.db"),
            repo_path=folder,
            online_store={"type": "sqlite", "path": str(folder / "online.db")},
            offline_store={"type": "stores.asof_offline.AsofOfflineStore"},
            entity_key_serialization_version=3,
        )
    )
    store.apply(declare(folder))
    labels = pd.DataFrame({"user": ["a", "b", "c"], "event_timestamp": [NOON] * 3})
    found = store.get_historical_features(labels, [f"every:{name.lower()}" for name in VALUES]).to_arrow()
    return {name: found.column(name).to_pylist(maps_as_pydicts="strict") for name in found.column_names}


@pytest.mark.parametrize("name", VALUES)
def test_training_rows_have_what_the_log_has(joined: dict[str, list[Any]], name: str) -> None:
    assert joined[name.lower()] == arrow(name).to_pylist(maps_as_pydicts="strict")


def every_declared_type() -> Iterator[Any]:
    """Each primitive, and each list and set of one that Feast lets be declared."""
    for primitive in PrimitiveFeastType:
        for form in (lambda one: one, Array, Set):
            try:
                yield form(primitive)
            except ValueError:
                continue


@pytest.mark.parametrize("dtype", every_declared_type(), ids=str)
def test_a_type_that_can_be_declared_is_stored_or_refused_with_another(dtype: Any) -> None:
    field = Field(name="what", dtype=dtype)
    try:
        name = dtype.to_value_type().name
    except KeyError:
        name = ""
    if name in STORED_TYPES:
        assert value_type_of("v", field) == name
        assert kind_of_field(dtype) in TYPES
        return
    refused = rf"v\.what: no online store of Feast's can hold {re.escape(str(dtype))}; (write |declare one of )"
    with pytest.raises(UnknownTypeError, match=refused):
        value_type_of("v", field)
